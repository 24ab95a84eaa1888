// y = softmax(((q + u) k^T + (q + v) r^T) * scale) values, where r is the row of the distance between
// query and key, with the running maximum and sum of the online softmax. One workgroup per query and
// head. Keys come in blocks of WG: each lane scores one key; then a lane sums up one vec4 column of
// the values over every SPLITS-th key.
//! include lib/reduce.wgsl

struct Params {
  T: u32, heads: u32,
  q_width: u32, q_offset: u32,
  capacity: u32, distances: u32,
  scale: f32,
  lists: u32,
}

@group(0) @binding(0) var<storage, read> q: array<vec4f>;       // [T, q_width]
@group(0) @binding(1) var<storage, read> kv: array<vec4f>;      // [capacity, 2, heads, HEAD_DIM]
@group(0) @binding(2) var<storage, read> r: array<vec4f>;       // [distances, heads, HEAD_DIM]
@group(0) @binding(3) var<storage, read> u: array<vec4f>;       // [heads, HEAD_DIM]
@group(0) @binding(4) var<storage, read> v: array<vec4f>;       // [heads, HEAD_DIM]
@group(0) @binding(5) var<storage, read> state: array<i32>;     // or lists
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>; // [T, heads, HEAD_DIM]
@group(1) @binding(0) var<uniform> p: Params;

const COLUMNS: u32 = HEAD_DIM / 4u;
const SPLITS: u32 = WG / COLUMNS;
const LOWEST: f32 = -1.0e30;

var<workgroup> content: array<vec4f, COLUMNS>;  // (q + u) * scale
var<workgroup> position: array<vec4f, COLUMNS>; // (q + v) * scale
var<workgroup> weights: array<f32, WG>;
var<workgroup> partials: array<vec4f, WG>;
var<workgroup> places: array<u32, WG>; // rows of the cache that hold the keys of a block

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = wg.y * groups.x + wg.x;
  if (i >= p.T * p.heads) { return; }
  let t = i % p.T;
  let h = i / p.T;
  if (lane < COLUMNS) {
    let query = q[(t * p.q_width + p.q_offset) / 4u + h * COLUMNS + lane];
    content[lane] = (query + u[h * COLUMNS + lane]) * p.scale;
    position[lane] = (query + v[h * COLUMNS + lane]) * p.scale;
  }
  var pos: i32 = state[0] + i32(t);
  var end: u32 = u32(clamp(pos, -1, i32(p.capacity) - 1) + 1);
  var consecutive: u32 = end; // keys in rows of their own number; a list names the others'
  let list = 1u + t * (1u + p.lists);
  if (p.lists > 0u) {
    consecutive = u32(clamp(state[0], 0, i32(p.capacity)));
    end = consecutive + u32(clamp(state[list], 0, i32(p.lists)));
    pos = i32(end) - 1;
  }
  workgroupBarrier();

  let column = lane % COLUMNS;
  let split = lane / COLUMNS;
  var most: f32 = LOWEST;
  var sum: f32 = 0.0;
  var acc: vec4f = vec4f(0.0);
  for (var block: u32 = 0u; block < end; block += WG) {
    let n = min(WG, end - block);
    let j = block + lane;
    var place: u32 = j;
    if (lane < n && j >= consecutive) { place = u32(state[list + 1u + j - consecutive]); }
    // Where the cache has no such row, the score stays the lowest and the value is passed over.
    var s: f32 = LOWEST;
    if (lane < n && place < p.capacity) {
      let key = (place * 2u * p.heads + h) * COLUMNS;
      let encoding = (min(u32(pos) - j, p.distances - 1u) * p.heads + h) * COLUMNS;
      var d: vec4f = vec4f(0.0);
      for (var c: u32 = 0u; c < COLUMNS; c += 1u) { d += content[c] * kv[key + c] + position[c] * r[encoding + c]; }
      s = (d.x + d.y) + (d.z + d.w);
    }
    let top = max(most, reduce_max(lane, s));
    let fade = exp(most - top);
    var w: f32 = 0.0;
    if (lane < n) { w = exp(s - top); }
    weights[lane] = w;
    places[lane] = place;
    sum = sum * fade + w;
    acc *= fade;
    most = top;
    workgroupBarrier();
    if (split < SPLITS) {
      for (var l: u32 = split; l < n; l += SPLITS) {
        if (places[l] < p.capacity) {
          acc += weights[l] * kv[(places[l] * 2u * p.heads + p.heads + h) * COLUMNS + column];
        }
      }
    }
  }

  let total = reduce_add(lane, sum);
  partials[lane] = acc;
  workgroupBarrier();
  if (lane < COLUMNS) {
    var out: vec4f = vec4f(0.0);
    for (var l: u32 = 0u; l < SPLITS; l += 1u) { out += partials[l * COLUMNS + lane]; }
    y[(t * p.heads + h) * COLUMNS + lane] = select(out / total, vec4f(0.0), total == 0.0);
  }
}
