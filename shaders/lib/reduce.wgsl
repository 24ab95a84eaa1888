// Reductions over the lanes of a workgroup of WG lanes (a power of two). Every lane gets the result.
var<workgroup> reduce_scratch: array<f32, WG>;

fn reduce_add(lane: u32, value: f32) -> f32 {
  reduce_scratch[lane] = value;
  workgroupBarrier();
  for (var half: u32 = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { reduce_scratch[lane] += reduce_scratch[lane + half]; }
    workgroupBarrier();
  }
  let sum = reduce_scratch[0];
  workgroupBarrier();
  return sum;
}

fn reduce_max(lane: u32, value: f32) -> f32 {
  reduce_scratch[lane] = value;
  workgroupBarrier();
  for (var half: u32 = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) { reduce_scratch[lane] = max(reduce_scratch[lane], reduce_scratch[lane + half]); }
    workgroupBarrier();
  }
  let most = reduce_scratch[0];
  workgroupBarrier();
  return most;
}
