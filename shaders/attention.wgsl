// y = softmax(q k^T * scale + bias) v, with the running maximum and sum of the online softmax. One
// workgroup per head of the keys and ROWS rows, where row = query * group + head for the group of
// heads that share those keys. Keys come in blocks of WG: each lane scores one key; then a lane sums
// up one vec4 column of the values over every SPLITS-th key. Rows whose keys a list names share none,
// so that mode wants one row a workgroup.
//! include lib/rotary.wgsl

struct Params {
  ratio: array<vec4u, 2>,
  T: u32, heads: u32, kv_heads: u32,
  q_width: u32, q_offset: u32,
  capacity: u32, keys: u32, slopes: u32,
  rotary_dims: u32, base: f32, scale: f32,
  mode: u32, alibi: u32,
}

@group(0) @binding(0) var<storage, read> q: array<vec4f>;       // [T, q_width]
@group(0) @binding(1) var<storage, read> kv: array<vec4f>;      // [capacity, 2, kv_heads, HEAD_DIM]
@group(0) @binding(2) var<storage, read> index: array<i32>;     // state, [T], or lists, by mode
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>; // [T, heads, HEAD_DIM]
@group(1) @binding(0) var<uniform> p: Params;

const CAUSAL: u32 = 1u;
const MEDIA: u32 = 2u;
const LISTED: u32 = 3u;
const COLUMNS: u32 = HEAD_DIM / 4u;
const SPLITS: u32 = WG / COLUMNS;
const QUERIES: u32 = ROWS * COLUMNS;
const PARTIALS: u32 = ROWS * WG;
const PARTS: u32 = 8u; // lanes that look for the maximum of all scores
const LOWEST: f32 = -1.0e30;
const NOTHING: vec2u = vec2u(0xffffffffu, 0u);

var<workgroup> query: array<vec4f, QUERIES>;
var<workgroup> scores: array<vec4f, WG>;  // of one key: a component per row
var<workgroup> tops: array<vec4f, PARTS>; // the largest of some of them
var<workgroup> weights: array<vec4f, WG>;
var<workgroup> partials: array<vec4f, PARTIALS>;
var<workgroup> places: array<u32, WG>;    // rows of the cache that hold the keys of a block

fn listed() -> bool { return ROWS == 1u && p.mode == LISTED; }

// Of lists: how many rows all share, how many keys query t sees, and where one of them is.
fn shared_keys() -> u32 { return u32(clamp(index[0], 0, i32(p.capacity))); }
fn list_of(t: u32) -> u32 { return 1u + t * (1u + p.keys); }
fn listed_keys(t: u32) -> u32 { return shared_keys() + u32(clamp(index[list_of(t)], 0, i32(p.keys))); }
fn place(t: u32, j: u32) -> u32 {
  let before = shared_keys();
  if (j < before) { return j; }
  return u32(index[list_of(t) + 1u + j - before]);
}

// The keys that query t sees: rows of the cache from one up to before another, or their count.
fn seen(t: u32) -> vec2u {
  if (t >= p.T) { return NOTHING; }
  if (listed()) { return vec2u(0u, listed_keys(t)); }
  if (p.mode == CAUSAL) { return vec2u(0u, min(u32(index[0]) + t + 1u, p.capacity)); }
  if (p.mode == MEDIA) {
    let n = index[t];
    if (n < 1 || u32(n) > p.capacity / p.keys) { return NOTHING; }
    return vec2u(u32(n) - 1u, u32(n)) * p.keys;
  }
  return vec2u(0u, p.keys);
}

fn position(t: u32) -> i32 {
  if (listed()) { return i32(listed_keys(t)) - 1; }
  return index[0] + i32(t);
}

fn slope(h: u32) -> f32 {
  var rank = h;
  if (p.heads != p.slopes) { rank = select(2u * h - p.slopes, 2u * h + 1u, h < p.slopes / 2u); }
  return exp2(-8.0 * f32(rank + 1u) / f32(p.slopes));
}

// Column c of a query, rotated and scaled.
fn load_query(t: u32, h: u32, c: u32) -> vec4f {
  let head = (t * p.q_width + p.q_offset + h * HEAD_DIM) / 4u;
  var v = q[head + c];
  if (ROTARY) {
    let half = p.rotary_dims / 2u;
    let pos = u32(position(t));
    for (var k: u32 = 0u; k < 4u; k += 1u) {
      let d = 4u * c + k;
      if (d < half) {
        let r = rotation(pos, d);
        v[k] = v[k] * r.x - q[head + (d + half) / 4u][(d + half) % 4u] * r.y;
      } else if (d < p.rotary_dims) {
        let r = rotation(pos, d - half);
        v[k] = v[k] * r.x + q[head + (d - half) / 4u][(d - half) % 4u] * r.y;
      }
    }
  }
  return v * p.scale;
}

fn sum4(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = p.heads / p.kv_heads;
  let row0 = (wg.z * groups.x + wg.x) * ROWS;
  if (row0 >= p.T * group) { return; }
  let rows = vec4u(row0, row0 + 1u, row0 + 2u, row0 + 3u);
  let ts = rows / group;
  let hs = wg.y * group + rows % group;
  for (var i: u32 = lane; i < QUERIES; i += WG) {
    let r = row0 + i / COLUMNS;
    query[i] = load_query(min(r / group, p.T - 1u), wg.y * group + r % group, i % COLUMNS);
  }
  let see0 = seen(ts.x);
  var see1 = NOTHING;
  var see2 = NOTHING;
  var see3 = NOTHING;
  if (ROWS > 1u) { see1 = seen(ts.y); }
  if (ROWS > 2u) {
    see2 = seen(ts.z);
    see3 = seen(ts.w);
  }
  let start = vec4u(see0.x, see1.x, see2.x, see3.x);
  let stop = vec4u(see0.y, see1.y, see2.y, see3.y);
  let begin = min(min(start.x, start.y), min(start.z, start.w));
  let end = max(max(stop.x, stop.y), max(stop.z, stop.w));
  var slopes = vec4f(0.0, 0.0, 0.0, 0.0);
  var pos = vec4i(0, 0, 0, 0);
  if (p.alibi == 1u) {
    slopes = vec4f(slope(hs.x), slope(hs.y), slope(hs.z), slope(hs.w));
    pos = vec4i(position(ts.x));
    if (ROWS > 1u) { pos = vec4i(index[0]) + vec4i(ts); }
  }
  workgroupBarrier();

  let by_list = listed();
  let column = lane % COLUMNS;
  let split = lane / COLUMNS;
  var most = vec4f(LOWEST, LOWEST, LOWEST, LOWEST);
  var sum = vec4f(0.0, 0.0, 0.0, 0.0);
  var acc0 = vec4f(0.0, 0.0, 0.0, 0.0);
  var acc1 = acc0;
  var acc2 = acc0;
  var acc3 = acc0;
  for (var block: u32 = begin; block < end; block += WG) {
    let j = block + lane;
    let n = min(WG, end - block);
    // Where the cache has no such row, the score stays the lowest and the value is passed over.
    var at: u32 = j;
    if (by_list && lane < n) { at = place(ts.x, j); }
    let visible = (vec4u(j) >= start) & (vec4u(j) < stop);
    var s = vec4f(LOWEST, LOWEST, LOWEST, LOWEST);
    if (lane < n && at < p.capacity) {
      let k = (at * 2u * p.kv_heads + wg.y) * COLUMNS;
      var d0 = vec4f(0.0, 0.0, 0.0, 0.0);
      var d1 = d0;
      var d2 = d0;
      var d3 = d0;
      for (var c: u32 = 0u; c < COLUMNS; c += 1u) {
        let key = kv[k + c];
        d0 += query[c] * key;
        if (ROWS > 1u) { d1 += query[COLUMNS + c] * key; }
        if (ROWS > 2u) {
          d2 += query[2u * COLUMNS + c] * key;
          d3 += query[3u * COLUMNS + c] * key;
        }
      }
      s = vec4f(sum4(d0), sum4(d1), sum4(d2), sum4(d3));
      if (p.alibi == 1u) { s += slopes * vec4f(vec4i(i32(j)) - pos); }
      s = select(vec4f(LOWEST, LOWEST, LOWEST, LOWEST), s, visible);
    }
    scores[lane] = s;
    workgroupBarrier();
    if (lane < PARTS) {
      var part = s;
      for (var i: u32 = lane + PARTS; i < WG; i += PARTS) { part = max(part, scores[i]); }
      tops[lane] = part;
    }
    workgroupBarrier();
    var top = most;
    for (var i: u32 = 0u; i < PARTS; i += 1u) { top = max(top, tops[i]); }
    let fade = exp(most - top);
    let w = select(vec4f(0.0, 0.0, 0.0, 0.0), exp(s - top), visible);
    weights[lane] = w;
    if (by_list) { places[lane] = at; }
    sum = sum * fade + w;
    most = top;
    workgroupBarrier();
    acc0 *= fade.x;
    acc1 *= fade.y;
    acc2 *= fade.z;
    acc3 *= fade.w;
    if (split < SPLITS) {
      for (var i: u32 = split; i < n; i += SPLITS) {
        var at: u32 = block + i;
        if (by_list) {
          at = places[i];
          if (at >= p.capacity) { continue; }
        }
        let value = kv[(at * 2u * p.kv_heads + p.kv_heads + wg.y) * COLUMNS + column];
        let a = weights[i];
        acc0 += a.x * value;
        if (ROWS > 1u) { acc1 += a.y * value; }
        if (ROWS > 2u) {
          acc2 += a.z * value;
          acc3 += a.w * value;
        }
      }
    }
  }

  scores[lane] = sum;
  partials[lane] = acc0;
  if (ROWS > 1u) { partials[WG + lane] = acc1; }
  if (ROWS > 2u) {
    partials[2u * WG + lane] = acc2;
    partials[3u * WG + lane] = acc3;
  }
  workgroupBarrier();
  for (var i: u32 = lane; i < QUERIES; i += WG) {
    let row = i / COLUMNS;
    let r = row0 + row;
    var total: f32 = 0.0;
    for (var l: u32 = 0u; l < WG; l += 1u) { total += scores[l][row]; }
    var v = vec4f(0.0, 0.0, 0.0, 0.0);
    for (var l: u32 = 0u; l < SPLITS; l += 1u) { v += partials[row * WG + l * COLUMNS + i % COLUMNS]; }
    if (r < p.T * group) {
      let out = ((r / group) * p.heads + wg.y * group + r % group) * COLUMNS + i % COLUMNS;
      y[out] = select(v / total, vec4f(0.0, 0.0, 0.0, 0.0), total == 0.0);
    }
  }
}
