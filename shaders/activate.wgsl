// y = scale * act(x). A thread computes one element.
//! include lib/activation.wgsl

struct Params { N: u32, width: u32, scale: f32, act: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [N]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [N]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i < p.N) { y[i] = p.scale * activate(x[i], p.act); }
}
