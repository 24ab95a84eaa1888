// y = x with its queries and keys normalised, each over its full width; no bias. One workgroup per
// row and part, which are queries, keys, and the rest as it is.
//! include lib/reduce.wgsl

struct Params { rows: u32, width: u32, queries: u32, keys: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [rows, width]
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [queries]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [keys]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [rows, width]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.y * groups.x + wg.x;
  if (row >= p.rows) { return; }
  var first: u32 = row * p.width;
  var n: u32 = p.queries;
  if (wg.z > 0u) {
    first += p.queries;
    n = p.keys;
  }
  if (wg.z > 1u) {
    first += p.keys;
    n = p.width - p.queries - p.keys;
    for (var i: u32 = lane; i < n; i += WG) { y[first + i] = x[first + i]; }
    return;
  }
  var sum: f32 = 0.0;
  for (var i: u32 = lane; i < n; i += WG) { sum += x[first + i]; }
  let mean = reduce_add(lane, sum) / f32(n);
  var squares: f32 = 0.0;
  for (var i: u32 = lane; i < n; i += WG) {
    let d = x[first + i] - mean;
    squares += d * d;
  }
  let inv = 1.0 / sqrt(reduce_add(lane, squares) / f32(n) + p.eps);
  for (var i: u32 = lane; i < n; i += WG) {
    var w: f32 = 0.0;
    if (wg.z == 0u) { w = q[i]; } else { w = k[i]; }
    y[first + i] = (x[first + i] - mean) * inv * w;
  }
}
