// Weights w [N,K] as f32. The kernel declares w: array<u32> and uniform p with N and K.
// w4(row, c) is the weights 4c .. 4c+3 of a row.
fn w4(row: u32, c: u32) -> vec4f {
  let i = row * p.K + 4u * c;
  return bitcast<vec4f>(vec4u(w[i], w[i + 1u], w[i + 2u], w[i + 3u]));
}
