"""Random weights whose activations stay of order one, so that every term of a formula shows in
the result: matrices N(0, (1.5/√fan_in)²), norms 1+0.2·N, biases 0.2·N, embeddings 0.5·N."""
import zlib

import numpy as np


class Draw:
    """Draws tensors under a prefix into self.tensors, as float32. The seed is the case's name, so
    that a new case changes no other. RandomState, because numpy froze what it draws."""

    def __init__(self, case):
        self.random = np.random.RandomState(zlib.crc32(case.encode()))
        self.tensors = {}
        self.prefix = ""

    def at(self, prefix):
        """The same source and tensors, names under prefix."""
        inner = object.__new__(Draw)
        inner.random, inner.tensors, inner.prefix = self.random, self.tensors, self.prefix + prefix
        return inner

    def normal(self, *shape):
        return self.random.standard_normal(shape)

    def put(self, name, array):
        self.tensors[self.prefix + name] = array

    def scaled(self, name, scale, *shape):
        self.put(name, (scale * self.normal(*shape)).astype(np.float32))

    def linear(self, name, out, fan_in, bias=False):
        self.scaled(name + ".weight", 1.5 / np.sqrt(fan_in), out, fan_in)
        if bias:
            self.scaled(name + ".bias", 0.2, out)

    def norm(self, name, dim, bias=True):
        self.put(name + ".weight", (1 + 0.2 * self.normal(dim)).astype(np.float32))
        if bias:
            self.scaled(name + ".bias", 0.2, dim)

    def embedding(self, name, rows, dim):
        self.scaled(name, 0.5, rows, dim)

    def float64(self):
        """What the references compute with: the float32 values, exactly."""
        return {name: a.astype(np.float64) for name, a in self.tensors.items() if a.dtype == np.float32}
