// y = residual + x * gate * scale, with one gate per channel. A thread computes one element.
struct Params { N: u32, width: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;         // [rows, C], N elements
@group(0) @binding(1) var<storage, read> gate: array<f32>;      // [1, C]
@group(0) @binding(2) var<storage, read> scale: array<f32>;     // [1]
@group(0) @binding(3) var<storage, read> residual: array<f32>;  // [rows, C]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;   // [rows, C]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i < p.N) { y[i] = residual[i] + x[i] * gate[i % p.C] * scale[0]; }
}
