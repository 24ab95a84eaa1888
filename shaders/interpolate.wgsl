// y = e stretched to another number of rows, end points kept. A thread computes one element.
struct Params { N: u32, width: u32, D: u32, steps: u32, wanted: u32 } // steps between rows of e, and of y

@group(0) @binding(0) var<storage, read> e: array<f32>;        // [steps + 1, D]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [frames, D], N elements
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i >= p.N) { return; }
  // Whole rows and the fraction between them are told apart in integers, so that a position which
  // falls on a row gives exactly that row.
  let place = (i / p.D) * p.steps;
  let row = place / p.wanted;
  let part = f32(place % p.wanted) / f32(p.wanted);
  let before = e[row * p.D + i % p.D];
  let after = e[min(row + 1u, p.steps) * p.D + i % p.D];
  y[i] = before + part * (after - before);
}
