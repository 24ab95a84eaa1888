// Activations by the numbers of ops.Activation. The number is an argument, since a pipeline for each
// activation would cost more than the branch. Call it in one place, or compiling takes long.
const SQRT_HALF: f32 = 0.70710678;

// erf to 2e-7 absolute. Below 1 it is x times a polynomial in x * x, since one minus something near
// one would cost digits; above, 1 - exp(-q(x)), where q interpolates -log(erfc(x)) up to 4.
fn erf(x: f32) -> f32 {
  let a = abs(x);
  let t = a * a;
  let near = a * (1.1283791 + t * (-0.37612626 + t * (0.112835944 + t * (-0.026854211 +
    t * (0.0051890872 + t * (-0.00080168643 + t * 0.000078758749))))));
  let s = min(a, 4.0) - 2.5;
  let q = 7.8068156 + s * (5.3526807 + s * (0.94388902 + s * (0.010858344 + s * (-0.002154903 +
    s * (0.00042029354 + s * (-0.00008467069 + s * 0.000013272362))))));
  let r = select(1.0 - exp(-q), near, a < 1.0);
  return select(r, -r, x < 0.0);
}

fn activate(x: f32, act: u32) -> f32 {
  if (act == 1u) { return 0.5 * x * (1.0 + erf(x * SQRT_HALF)); }
  if (act == 2u) { return 0.5 * x * (1.0 + tanh(clamp(0.79788456 * (x + 0.044715 * x * x * x), -20.0, 20.0))); }
  if (act == 3u) { return x / (1.0 + exp(-1.702 * x)); }
  if (act == 4u) { let r = max(x, 0.0); return r * r; }
  if (act == 5u) { return x / (1.0 + exp(-x)); }
  if (act == 6u) { return max(x, 0.0); }
  if (act == 7u) { return 1.0 / (1.0 + exp(-x)); }
  return x;
}
