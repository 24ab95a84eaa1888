// Activations by number, as ops/activation.go lists them. ACT is a const, so the rest folds away.
const SQRT_HALF: f32 = 0.70710678;

// erf, by Abramowitz and Stegun 7.1.26 refined to f32 with the complementary form for the tails.
fn erf(x: f32) -> f32 {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.5 * a);
  let poly = t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 +
    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let r = 1.0 - t * exp(-a * a - 1.26551223 + poly);
  return select(r, -r, x < 0.0);
}

fn activate(x: f32) -> f32 {
  if (ACT == 1u) { return 0.5 * x * (1.0 + erf(x * SQRT_HALF)); }
  if (ACT == 2u) { return 0.5 * x * (1.0 + tanh(clamp(0.79788456 * (x + 0.044715 * x * x * x), -20.0, 20.0))); }
  if (ACT == 3u) { return x / (1.0 + exp(-1.702 * x)); }
  if (ACT == 4u) { let r = max(x, 0.0); return r * r; }
  if (ACT == 5u) { return x / (1.0 + exp(-x)); }
  if (ACT == 6u) { return max(x, 0.0); }
  if (ACT == 7u) { return 1.0 / (1.0 + exp(-x)); }
  return x;
}

fn activate4(v: vec4f) -> vec4f {
  return vec4f(activate(v.x), activate(v.y), activate(v.z), activate(v.w));
}
