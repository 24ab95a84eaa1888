// y = the pixels of x, square after square. A thread copies one pixel.
struct Params { N: u32, width: u32, W: u32, across: u32, size: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;        // [H, W]
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;  // [down, across, size, size], N pixels
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i >= p.N) { return; }
  let pixel = i % (p.size * p.size);
  let patch_index = i / (p.size * p.size);
  let row = (patch_index / p.across) * p.size + pixel / p.size;
  let column = (patch_index % p.across) * p.size + pixel % p.size;
  y[i] = x[row * p.W + column];
}
