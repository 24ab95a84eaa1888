// y = residual + tanh(gate) * act(product + bias), for kernels with uniform p that holds N.
//! include lib/activation.wgsl

fn finish(m: u32, n: u32, product: f32) {
  let i = m * p.N + n;
  var v: f32 = product;
  if (BIAS) { v += bias[n]; }
  v = activate(v);
  if (GATE) { v *= tanh(clamp(gate[0], -20.0, 20.0)); }
  if (RESIDUAL) { v += residual[i]; }
  y[i] = v;
}
