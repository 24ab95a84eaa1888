// (m, s) with the largest m of a row of logits, V from start on, and s = sum exp(logit - m). Every
// lane gets the result. The kernel has logits and p.V.
//! include lib/reduce.wgsl

fn sum_exp(lane: u32, start: u32) -> vec2f {
  // Lanes beyond V repeat its last.
  var part: f32 = logits[start + min(lane, p.V - 1u)];
  for (var i: u32 = lane; i < p.V; i += WG) { part = max(part, logits[start + i]); }
  let most = reduce_max(lane, part);
  var sum: f32 = 0.0;
  for (var i: u32 = lane; i < p.V; i += WG) { sum += exp(logits[start + i] - most); }
  return vec2f(most, reduce_add(lane, sum));
}
