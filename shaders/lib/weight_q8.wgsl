// Weights w [N,K] as int8 quants, four in a word, then one f16 scale per 32.
fn scale_at(block: u32) -> f32 {
  let pair = unpack2x16float(w[(p.N * p.K) / 4u + block / 2u]);
  return select(pair.x, pair.y, (block & 1u) == 1u);
}

fn w4(row: u32, c: u32) -> vec4f {
  let i = (row * p.K) / 4u + c;
  let q = vec4i(bitcast<i32>(w[i])) << vec4u(24u, 16u, 8u, 0u);
  return vec4f(q >> vec4u(24u)) * scale_at(i / 8u);
}
