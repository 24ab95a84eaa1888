// Rotary position embedding. The kernel's Params start with ratio: array<vec4u, 2>, which holds
// r, r^2, r^4 ... r^128 as fractions of 2^32, for r = base^(-2/dims).
const ONE_RADIAN: u32 = 683565276u; // of 2^32 to the turn

// The upper half of the product of two u32.
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let mid2 = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (mid2 >> 16u);
}

// (cos, sin) of pos * r^i. The angle is an integer of 2^32 to the turn, so whole turns fall away
// without a rounding; sin and cos of the language are too coarse for this.
fn rotation(pos: u32, i: u32) -> vec2f {
  var turn: u32 = ONE_RADIAN;
  for (var b: u32 = 0u; b < 8u; b += 1u) {
    if (((i >> b) & 1u) == 1u) { turn = multiply_high(turn, p.ratio[b / 4u][b % 4u]); }
  }
  let angle = turn * pos;
  let quarter = (angle + 0x20000000u) >> 30u;
  let x = f32(bitcast<i32>(angle - (quarter << 30u))) * 1.4629180792671596e-9; // within pi/4 of zero
  let z = x * x;
  let s = x * (1.0 + z * (-0.16666667 + z * (8.3333333e-3 + z * (-1.9841270e-4 + z * 2.7557319e-6))));
  let c = 1.0 + z * (-0.5 + z * (4.1666667e-2 + z * (-1.3888889e-3 + z * 2.4801587e-5)));
  if (quarter == 0u) { return vec2f(c, s); }
  if (quarter == 1u) { return vec2f(-s, c); }
  if (quarter == 2u) { return vec2f(-c, -s); }
  return vec2f(s, -c);
}
