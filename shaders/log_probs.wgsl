// y = logits[id] - log sum exp over a row of logits, or -1e30 where it has no such id. One workgroup
// per row.
//! include lib/sum_exp.wgsl

struct Params { V: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;   // [rows, V]
@group(0) @binding(1) var<storage, read> ids: array<i32>;      // [rows]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x;
  let s = sum_exp(lane, row * p.V);
  if (lane == 0u) {
    let id = u32(ids[row]);
    if (id < p.V) {
      // The largest first: what is left is small, and keeps its digits.
      y[row] = (logits[row * p.V + id] - s.x) - log(s.y);
    } else {
      y[row] = -1.0e30;
    }
  }
}
