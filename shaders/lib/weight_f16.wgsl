// Weights w [N,K] as f16, two in a word.
fn w4(row: u32, c: u32) -> vec4f {
  let i = (row * p.K) / 2u + 2u * c;
  return vec4f(unpack2x16float(w[i]), unpack2x16float(w[i + 1u]));
}
