// Weights w [N,K] as nibbles biased by 8, eight in a word, then one f16 scale per 32.
fn scale_at(block: u32) -> f32 {
  let pair = unpack2x16float(w[(p.N * p.K) / 8u + block / 2u]);
  return select(pair.x, pair.y, (block & 1u) == 1u);
}

fn w4(row: u32, c: u32) -> vec4f {
  let i = (row * p.K) / 4u + c;
  let bits = w[i / 2u] >> ((i & 1u) * 16u);
  let q = (vec4u(bits) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u);
  return (vec4f(q) - 8.0) * scale_at(i / 8u);
}
