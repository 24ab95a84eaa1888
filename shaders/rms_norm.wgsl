// y = x / sqrt(mean(x * x) + eps) * weight over the last axis. One workgroup per row.
//! include lib/reduce.wgsl

struct Params { D: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [rows, D]
@group(0) @binding(1) var<storage, read> weight: array<f32>;   // [D]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows, D]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x * p.D;
  var squares: f32 = 0.0;
  for (var i: u32 = lane; i < p.D; i += WG) { squares += x[row + i] * x[row + i]; }
  let inv = 1.0 / sqrt(reduce_add(lane, squares) / f32(p.D) + p.eps);
  for (var i: u32 = lane; i < p.D; i += WG) { y[row + i] = x[row + i] * inv * weight[i]; }
}
