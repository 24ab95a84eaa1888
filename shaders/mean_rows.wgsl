// y = mean over the rows of x. A workgroup computes CHANNELS of them, LANES threads sharing the
// rows of each.
struct Params { rows: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [rows, C]
@group(0) @binding(1) var<storage, read_write> y: array<f32>;  // [1, C]
@group(1) @binding(0) var<uniform> p: Params;

const PARTS: u32 = CHANNELS * LANES;
var<workgroup> parts: array<f32, PARTS>; // [LANES, CHANNELS]

@compute @workgroup_size(CHANNELS, LANES)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let c = id.x;
  var sum: f32 = 0.0;
  if (c < p.C) {
    for (var row: u32 = local.y; row < p.rows; row += LANES) { sum += x[row * p.C + c]; }
  }
  parts[local.y * CHANNELS + local.x] = sum;
  workgroupBarrier();
  if (local.y == 0u && c < p.C) {
    sum = 0.0;
    for (var i: u32 = 0u; i < LANES; i++) { sum += parts[i * CHANNELS + local.x]; }
    y[c] = sum / f32(p.rows);
  }
}
