// y = a + b, each row of b for that many consecutive rows of a. A thread computes one element.
struct Params { N: u32, width: u32, D: u32, each: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;        // [rows, D], N elements
@group(0) @binding(1) var<storage, read> b: array<f32>;        // [rows / each, D] or more
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows, D]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i < p.N) { y[i] = a[i] + b[(i / p.D / p.each) * p.D + i % p.D]; }
}
