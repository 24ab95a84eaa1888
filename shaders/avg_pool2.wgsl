// y = mean of 2 by 2 pixels, of those that exist at a ragged edge. A thread computes one element.
struct Params { H: u32, W: u32, C: u32, width: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [H, W, C]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [ceil(H / 2), ceil(W / 2), C]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  let OW = (p.W + 1u) / 2u;
  let iy = 2u * (i / (OW * p.C));
  let ix = 2u * ((i / p.C) % OW);
  if (iy >= p.H) { return; }
  let start = (iy * p.W + ix) * p.C + i % p.C;
  let right = ix + 1u < p.W;
  let below = iy + 1u < p.H;
  var sum: f32 = x[start];
  if (right) { sum += x[start + p.C]; }
  if (below) { sum += x[start + p.W * p.C]; }
  if (right && below) { sum += x[start + (p.W + 1u) * p.C]; }
  y[i] = sum * select(1.0, 0.5, right) * select(1.0, 0.5, below);
}
