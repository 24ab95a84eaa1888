// y = log sum exp over a row of logits. One workgroup per row.
//! include lib/sum_exp.wgsl

struct Params { V: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;   // [rows, V]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [rows]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x;
  let s = sum_exp(lane, row * p.V);
  if (lane == 0u) { y[row] = s.x + log(s.y); }
}
