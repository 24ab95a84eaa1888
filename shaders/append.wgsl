// cache[state[slot] * stride + t, c] = src[t, from + c], keys rotated; or the row of the cache and the
// position are those in places. One thread per element.
//! include lib/rotary.wgsl

struct Params {
  ratio: array<vec4u, 2>,
  rows: u32, width: u32, src_width: u32, column: u32,
  slot: i32, stride: i32, capacity: i32,
  head_dim: u32, key_width: u32, rotary_dims: u32, base: f32,
  listed: u32,
}

@group(0) @binding(0) var<storage, read> src: array<f32>;          // [rows, src_width]
@group(0) @binding(1) var<storage, read> state: array<i32>;        // or places [rows, 2]
@group(0) @binding(2) var<storage, read_write> cache: array<f32>;  // [capacity, width]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * WG + lane;
  let t = i / p.width;
  let c = i % p.width;
  if (t >= p.rows) { return; }
  var row: i32 = 0;
  var pos: i32 = 0;
  if (p.listed == 1u) {
    row = state[2u * t];
    pos = state[2u * t + 1u];
  } else {
    row = state[p.slot] * p.stride + i32(t);
    pos = state[p.slot] + i32(t);
  }
  if (row < 0 || row >= p.capacity) { return; }
  let here = t * p.src_width + p.column + c;
  var v = src[here];
  if (ROTARY) {
    let d = c % p.head_dim;
    let half = p.rotary_dims / 2u;
    if (c < p.key_width && d < p.rotary_dims) {
      if (d < half) {
        let r = rotation(u32(pos), d);
        v = v * r.x - src[here + half] * r.y;
      } else {
        let r = rotation(u32(pos), d - half);
        v = v * r.x + src[here - half] * r.y;
      }
    }
  }
  cache[u32(row) * p.width + c] = v;
}
