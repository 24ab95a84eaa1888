// y = silu(gate) * up, the halves of each row of x. A thread computes one element.
//! include lib/activation.wgsl

struct Params { N: u32, width: u32, H: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [rows, 2 H]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [rows, H], N elements
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i >= p.N) { return; }
  let start = (i / p.H) * 2u * p.H + i % p.H;
  y[i] = activate(x[start], 5u) * x[start + p.H];
}
