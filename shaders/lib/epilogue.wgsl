// y = residual + tanh(gate) * act(product + bias), for kernels whose uniform p is a MatmulParams.
// Which of them there are is a uniform too: a pipeline for each combination would cost more than the
// branches.
//! include lib/activation.wgsl

struct MatmulParams { M: u32, N: u32, K: u32, act: u32, has: u32 }

const HAS_BIAS: u32 = 1u;
const HAS_RESIDUAL: u32 = 2u;
const HAS_GATE: u32 = 4u;

fn finish(m: u32, n: u32, product: f32) {
  let i = m * p.N + n;
  var v: f32 = product;
  if ((p.has & HAS_BIAS) != 0u) { v += bias[n]; }
  v = activate(v, p.act);
  if ((p.has & HAS_GATE) != 0u) { v *= tanh(clamp(gate[0], -20.0, 20.0)); }
  if ((p.has & HAS_RESIDUAL) != 0u) { v += residual[i]; }
  y[i] = v;
}
