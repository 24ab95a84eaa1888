// y = epilogue(x * transpose(w)) for the 1 to 4 rows of x. LANES lanes share 4 rows of w and split
// K among them; a workgroup of WG lanes computes 4 * WG / LANES columns of y.
//! include lib/matvec.wgsl

const PARTS: u32 = ROWS * 4u * WG;
var<workgroup> parts: array<f32, PARTS>; // [ROWS, 4, WG]

fn put(lane: u32, m: u32, v: vec4f) {
  let i = m * 4u * WG + lane;
  parts[i] = v.x;
  parts[i + WG] = v.y;
  parts[i + 2u * WG] = v.z;
  parts[i + 3u * WG] = v.w;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = products(wg.x, lane);
  put(lane, 0u, s.s0);
  if (ROWS > 1u) {
    put(lane, 1u, s.s1);
    put(lane, 2u, s.s2);
    put(lane, 3u, s.s3);
  }
  workgroupBarrier();
  for (var o: u32 = lane; o < ROWS * 4u * TEAMS; o += WG) {
    let start = (o / TEAMS) * WG + (o % TEAMS) * LANES;
    var sum: f32 = 0.0;
    for (var i: u32 = 0u; i < LANES; i++) { sum += parts[start + i]; }
    finish_output(wg.x, o, sum);
  }
}
