// y[t] = w[ids[t]], zeros where there is no such row. A thread computes 4 elements of a row.
//! include lib/weight_$W.wgsl

struct Params { T: u32, width: u32, N: u32, K: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;        // [T], negative ones are large
@group(0) @binding(1) var<storage, read> w: array<u32>;          // [N, K]
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;  // [T, K / 4]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  let columns = p.K / 4u;
  if (i >= p.T * columns) { return; }
  let row = ids[i / columns];
  var v: vec4f = vec4f(0.0);
  if (row < p.N) { v = w4(row, i % columns); }
  y[i] = v;
}
