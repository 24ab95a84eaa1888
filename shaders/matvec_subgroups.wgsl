// matvec.wgsl with the sums over lanes taken inside subgroups as far as they reach. A subgroup, of
// any size from 4 on, is taken to be consecutive lanes, as it is on all known drivers.
enable subgroups;
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

// sum_team adds up blocks of min(size, LANES) lanes. It is free of branches since subgroup
// operations want uniform control flow; a step too wide for the subgroup is dropped. LANES is 8 or 32.
fn sum_team(v: vec4f, size: u32) -> vec4f {
  var s: vec4f = v;
  s += subgroupShuffleXor(s, 1u);
  s += subgroupShuffleXor(s, 2u);
  s += select(vec4f(0.0), subgroupShuffleXor(s, 4u % size), size > 4u);
  if (LANES > 8u) {
    s += select(vec4f(0.0), subgroupShuffleXor(s, 8u % size), size > 8u);
    s += select(vec4f(0.0), subgroupShuffleXor(s, 16u % size), size > 16u);
  }
  return s;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) size: u32) {
  let s = products(wg.x, lane);
  put(lane, 0u, sum_team(s.s0, size));
  if (ROWS > 1u) {
    put(lane, 1u, sum_team(s.s1, size));
    put(lane, 2u, sum_team(s.s2, size));
    put(lane, 3u, sum_team(s.s3, size));
  }
  workgroupBarrier();
  let step = min(size, LANES);
  for (var o: u32 = lane; o < ROWS * 4u * TEAMS; o += WG) {
    let start = (o / TEAMS) * WG + (o % TEAMS) * LANES;
    var sum: f32 = 0.0;
    for (var i: u32 = 0u; i < LANES; i += step) { sum += parts[start + i]; }
    finish_output(wg.x, o, sum);
  }
}
