"""Decoder-only language models, float64 numpy, one sequence at a time, with their checkpoints'
own parameter names and config.json keys.

    full(ids)          [T] -> logits [T, V], nothing cached
    step(ids, cache)   the same for the tokens after those that cache ({}, at first) has seen
"""
import numpy as np

from nn import (attention, dot_scores, gelu, layer_norm, linear, merge_heads, relu, rms_norm, silu,
                split_heads)


class Decoder:
    """A family gives embed(ids, pos), block(i, x, pos, cache) and logits(x); pos [T] are absolute
    positions, cache is {block: (keys, values)} or None."""

    def __init__(self, weights, config):
        self.w, self.c = weights, config

    def full(self, ids):
        return self._run(ids, 0, None)

    def step(self, ids, cache):
        return self._run(ids, cache[0][0].shape[1] if cache else 0, cache)

    def _run(self, ids, seen, cache):
        pos = np.arange(seen, seen + len(ids))
        x = self.embed(np.asarray(ids), pos)
        for i in range(self.depth):
            x = self.block(i, x, pos, cache)
        return self.logits(x)

    def norm(self, name, x):
        return layer_norm(x, self.w[name + ".weight"], self.w.get(name + ".bias"),
                          self.c.get("layer_norm_eps", 1e-5))

    def linear(self, name, x):
        return linear(x, self.w[name + ".weight"], self.w.get(name + ".bias"))


def remember(cache, i, k, v):
    """Puts k, v [h, T, d] behind those in the cache and gives all of them."""
    if cache is None:
        return k, v
    if i in cache:
        k, v = (np.concatenate(pair, 1) for pair in zip(cache[i], (k, v)))
    cache[i] = k, v
    return k, v


def distances(pos, keys):
    """[T, keys]: how far key j lies before the token at pos; negative for what it may not see."""
    return pos[:, None] - np.arange(keys)[None]


def alibi_slopes(heads, bias_max=8):
    """MosaicML's ALiBi slopes (Press et al. 2022, arXiv 2108.12409): 2^(-bias_max·h/n), h = 1…n.
    For a number of heads that is no power of two, every second slope of the next power, from the
    second one on, then the others, cut to length (llm-foundry's gen_slopes)."""
    n = 1 << (heads - 1).bit_length()
    s = 2.0 ** (-bias_max * np.arange(1, n + 1) / n)
    return s if n == heads else np.concatenate([s[1::2], s[::2]])[:heads]


def rotate(x, pos, base, dims):
    """Rotary positions (Su et al. 2021, arXiv 2104.09864) on the first dims of x [h, T, d], pairs
    being the two halves of those, as in GPT-NeoX and LLaMA."""
    angle = pos[:, None] * base ** (-np.arange(0, dims, 2) / dims)
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = x[..., :dims // 2], x[..., dims // 2:dims]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., dims:]], -1)


class MPT(Decoder):
    """MPT-7B (MosaicML 2023, llm-foundry v0.1.0): pre-norm, no biases, ALiBi, GELU, tied head."""
    names = {"norm1": "norm_1", "norm2": "norm_2", "up": "ffn.up_proj", "down": "ffn.down_proj",
             "norm": "norm_f"}
    qk_norm = False

    def __init__(self, weights, config):
        super().__init__(weights, config)
        self.depth, self.heads = config["n_layers"], config["n_heads"]
        self.bias_max = config.get("attn_config", config)["alibi_bias_max"]

    def embed(self, ids, pos):
        return self.w["transformer.wte.weight"][ids]

    def block(self, i, x, pos, cache):
        at = f"transformer.blocks.{i}."
        q, k, v = np.split(self.linear(at + "attn.Wqkv", self.norm(at + self.names["norm1"], x)), 3, -1)
        if self.qk_norm:
            q, k = self.norm(at + "attn.q_ln", q), self.norm(at + "attn.k_ln", k)
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        k, v = remember(cache, i, k, v)
        far = distances(pos, k.shape[1])
        scores = dot_scores(q, k) - alibi_slopes(self.heads, self.bias_max)[:, None, None] * far
        x = x + self.linear(at + "attn.out_proj", merge_heads(attention(scores, v, far >= 0)))
        h = gelu(self.linear(at + self.names["up"], self.norm(at + self.names["norm2"], x)))
        return x + self.linear(at + self.names["down"], h)

    def logits(self, x):
        return linear(self.norm("transformer." + self.names["norm"], x), self.w["transformer.wte.weight"])


class MosaicGPT(MPT):
    """MPT-1B (MosaicML 2023, llm-foundry before v0.1.0, model type mosaic_gpt): as MPT, but queries
    and keys go through a LayerNorm over their full width before the heads are split."""
    names = {"norm1": "ln_1", "norm2": "ln_2", "up": "mlp.mlp_up", "down": "mlp.mlp_down", "norm": "ln_f"}
    qk_norm = True


class GPTNeoX(Decoder):
    """GPT-NeoX (Black et al. 2022, arXiv 2204.06745; transformers' modeling_gpt_neox): biases
    everywhere, rows of query_key_value are [head, (q, k, v), d], rotary positions on a share of
    each head, untied head, attention and MLP in parallel or one after the other."""

    def __init__(self, weights, config):
        super().__init__(weights, config)
        self.depth, self.heads = config["num_hidden_layers"], config["num_attention_heads"]

    def embed(self, ids, pos):
        return self.w["gpt_neox.embed_in.weight"][ids]

    def block(self, i, x, pos, cache):
        at = f"gpt_neox.layers.{i}."
        qkv = self.linear(at + "attention.query_key_value", self.norm(at + "input_layernorm", x))
        q, k, v = qkv.reshape(len(x), self.heads, 3, -1).transpose(2, 1, 0, 3)
        dims = int(q.shape[-1] * self.c["rotary_pct"])
        q, k = (rotate(t, pos, self.c["rotary_emb_base"], dims) for t in (q, k))
        k, v = remember(cache, i, k, v)
        a = attention(dot_scores(q, k), v, distances(pos, k.shape[1]) >= 0)
        a = self.linear(at + "attention.dense", merge_heads(a))
        seen = x if self.c["use_parallel_residual"] else x + a
        h = gelu(self.linear(at + "mlp.dense_h_to_4h", self.norm(at + "post_attention_layernorm", seen)))
        return x + a + self.linear(at + "mlp.dense_4h_to_h", h)

    def logits(self, x):
        return linear(self.norm("gpt_neox.final_layer_norm", x), self.w["embed_out.weight"])


class OPT(Decoder):
    """OPT (Zhang et al. 2022, arXiv 2205.01068).

    The details are those of transformers' modeling_opt: row 2 of embed_positions is position 0;
    each of a layer's two LayerNorms stands before its branch, or, without do_layer_norm_before,
    after the residual sum, and then the decoder has no final one; project_in comes before the
    positions are added and project_out last of all, both without biases and only where
    word_embed_proj_dim is not hidden_size; the head is embed_tokens."""

    def __init__(self, weights, config):
        super().__init__(weights, config)
        self.depth, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.narrow = config["word_embed_proj_dim"] != config["hidden_size"]

    def embed(self, ids, pos):
        x = self.w["model.decoder.embed_tokens.weight"][ids]
        if self.narrow:
            x = self.linear("model.decoder.project_in", x)
        return x + self.w["model.decoder.embed_positions.weight"][pos + 2]

    def block(self, i, x, pos, cache):
        at = f"model.decoder.layers.{i}."
        x = self._branch(at + "self_attn_layer_norm", x, lambda y: self._attend(i, y, pos, cache))
        return self._branch(at + "final_layer_norm", x,
                            lambda y: self.linear(at + "fc2", relu(self.linear(at + "fc1", y))))

    def _branch(self, norm, x, branch):
        if self.c["do_layer_norm_before"]:
            return x + branch(self.norm(norm, x))
        return self.norm(norm, x + branch(x))

    def _attend(self, i, y, pos, cache):
        at = f"model.decoder.layers.{i}.self_attn."
        q, k, v = (split_heads(self.linear(at + n + "_proj", y), self.heads) for n in "qkv")
        k, v = remember(cache, i, k, v)
        a = attention(dot_scores(q, k), v, distances(pos, k.shape[1]) >= 0)
        return self.linear(at + "out_proj", merge_heads(a))

    def logits(self, x):
        if self.c["do_layer_norm_before"]:
            x = self.norm("model.decoder.final_layer_norm", x)
        if self.narrow:
            x = self.linear("model.decoder.project_out", x)
        return linear(x, self.w["model.decoder.embed_tokens.weight"])


class LLaMA(Decoder):
    """LLaMA (Touvron et al. 2023, arXiv 2302.13971; transformers' modeling_llama): RMSNorm, rotary
    positions, SwiGLU, no biases. Heads share keys and values in groups of neighbours (Ainslie et
    al. 2023, arXiv 2305.13245). The head is tied or not."""

    def __init__(self, weights, config):
        super().__init__(weights, config)
        self.depth, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.groups = config["num_key_value_heads"]

    def norm(self, name, x):
        return rms_norm(x, self.w[name + ".weight"], self.c["rms_norm_eps"])

    def embed(self, ids, pos):
        return self.w["model.embed_tokens.weight"][ids]

    def block(self, i, x, pos, cache):
        at = f"model.layers.{i}."
        y = self.norm(at + "input_layernorm", x)
        q = split_heads(self.linear(at + "self_attn.q_proj", y), self.heads)
        k, v = (split_heads(self.linear(at + f"self_attn.{n}_proj", y), self.groups) for n in "kv")
        q, k = (rotate(t, pos, self.c["rope_theta"], t.shape[-1]) for t in (q, k))
        k, v = (np.repeat(t, self.heads // self.groups, 0) for t in remember(cache, i, k, v))
        a = attention(dot_scores(q, k), v, distances(pos, k.shape[1]) >= 0)
        x = x + self.linear(at + "self_attn.o_proj", merge_heads(a))
        y = self.norm(at + "post_attention_layernorm", x)
        h = silu(self.linear(at + "mlp.gate_proj", y)) * self.linear(at + "mlp.up_proj", y)
        return x + self.linear(at + "mlp.down_proj", h)

    def logits(self, x):
        head = "model.embed_tokens" if self.c["tie_word_embeddings"] else "lm_head"
        return linear(self.norm("model.norm", x), self.w[head + ".weight"])


class Chinchilla(Decoder):
    """Chinchilla, the language model of the Flamingo paper (Hoffmann et al. 2022, arXiv
    2203.15556), never released, so its names are ours. It is Gopher's architecture (Rae et al.
    2021, arXiv 2112.11446): RMSNorm, relative positions of Transformer-XL (Dai et al. 2019, arXiv
    1901.02860, section 3.3 and appendix B), GELU, and here no biases and a tied head."""

    def __init__(self, weights, config):
        super().__init__(weights, config)
        self.depth, self.heads = config["num_hidden_layers"], config["num_attention_heads"]

    def norm(self, name, x):
        return rms_norm(x, self.w[name + ".weight"], self.c["rms_norm_eps"])

    def embed(self, ids, pos):
        return self.w["embed.weight"][ids]

    def sinusoids(self, count):
        """[count, D]: row d is sin(d·f_t) for all t, then cos(d·f_t), f_t = 10000^(-2t/D)."""
        dim = self.c["hidden_size"]
        angle = np.arange(count)[:, None] * 10000.0 ** (-np.arange(0, dim, 2) / dim)
        return np.concatenate([np.sin(angle), np.cos(angle)], -1)

    def block(self, i, x, pos, cache):
        at = f"blocks.{i}."
        q, k, v = (split_heads(t, self.heads)
                   for t in np.split(self.linear(at + "qkv", self.norm(at + "norm1", x)), 3, -1))
        k, v = remember(cache, i, k, v)
        far = distances(pos, k.shape[1])
        r = split_heads(self.linear(at + "relative", self.sinusoids(k.shape[1])), self.heads)
        by_content = q + split_heads(self.w[at + "relative_u"][None], self.heads)
        by_distance = q + split_heads(self.w[at + "relative_v"][None], self.heads)
        # Keys that lie ahead are masked; distance 0 stands in for theirs.
        by_distance = np.take_along_axis(dot_scores(by_distance, r), np.maximum(far, 0)[None], 2)
        a = attention(dot_scores(by_content, k) + by_distance, v, far >= 0)
        x = x + self.linear(at + "out", merge_heads(a))
        return x + self.linear(at + "down", gelu(self.linear(at + "up", self.norm(at + "norm2", x))))

    def logits(self, x):
        return linear(self.norm("norm", x), self.w["embed.weight"])
