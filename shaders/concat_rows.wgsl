// y = a, then b. A thread copies one element.
struct Params { N: u32, width: u32, split: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;        // split elements
@group(0) @binding(1) var<storage, read> b: array<f32>;        // N - split elements
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // N elements
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i >= p.N) { return; }
  if (i < p.split) { y[i] = a[i]; } else { y[i] = b[i - p.split]; }
}
