// The k largest logits + bias of a row, largest first, the lowest index on a tie. One workgroup per
// row: a radix search for the k-th pair (value, index), eight bits a pass, then a sort of what
// reaches it by rank.
struct Params { V: u32, K: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;       // [rows, V]
@group(0) @binding(1) var<storage, read> bias: array<f32>;         // [V]
@group(0) @binding(2) var<storage, read_write> values: array<f32>; // [rows, K]
@group(0) @binding(3) var<storage, read_write> ids: array<i32>;    // [rows, K]
@group(1) @binding(0) var<uniform> p: Params;

const MAX_K: u32 = 128u;

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> found: array<vec2u, MAX_K>;
var<workgroup> count: atomic<u32>;
// The digits found so far and how many pairs are still wanted among those that share them.
var<workgroup> threshold: vec2u;
var<workgroup> wanted: u32;

// A pair of the row that starts at an offset, as a number of 64 bits that grows with the value and
// falls with the index.
fn pair(start: u32, i: u32) -> vec2u {
  let v = logits[start + i] + bias[i];
  let b = bitcast<u32>(v);
  var key: u32 = b | 0x80000000u;
  if ((b >> 31u) == 1u) { key = ~b; }
  if (v == 0.0) { key = 0x80000000u; }
  return vec2u(key, ~i);
}

fn less(a: vec2u, b: vec2u) -> bool { return a.x < b.x || (a.x == b.x && a.y < b.y); }

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x;
  let start = row * p.V;
  if (lane == 0u) {
    threshold = vec2u(0u, 0u);
    wanted = p.K;
  }
  var mask = vec2u(0u, 0u);
  for (var pass_: u32 = 0u; pass_ < 8u; pass_ += 1u) {
    let shift = 24u - 8u * (pass_ % 4u);
    for (var i: u32 = lane; i < 256u; i += WG) { atomicStore(&bins[i], 0u); }
    workgroupBarrier();
    let t = threshold;
    for (var i: u32 = lane; i < p.V; i += WG) {
      let v = pair(start, i);
      if (all((v & mask) == t)) { atomicAdd(&bins[(select(v.y, v.x, pass_ < 4u) >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var left: u32 = wanted;
      var digit: u32 = 255u;
      for (var n: u32 = atomicLoad(&bins[255]); n < left; n = atomicLoad(&bins[digit])) {
        left -= n;
        digit -= 1u;
      }
      wanted = left;
      if (pass_ < 4u) { threshold.x |= digit << shift; } else { threshold.y |= digit << shift; }
    }
    if (pass_ < 4u) { mask.x |= 255u << shift; } else { mask.y |= 255u << shift; }
    workgroupBarrier();
  }
  if (lane == 0u) { atomicStore(&count, 0u); }
  workgroupBarrier();
  let t = threshold;
  for (var i: u32 = lane; i < p.V; i += WG) {
    let v = pair(start, i);
    if (!less(v, t)) { found[min(atomicAdd(&count, 1u), MAX_K - 1u)] = v; }
  }
  workgroupBarrier();
  if (lane < p.K) {
    let v = found[lane];
    var rank: u32 = 0u;
    for (var j: u32 = 0u; j < p.K; j += 1u) { rank += select(0u, 1u, less(v, found[j])); }
    let i = ~v.y;
    values[row * p.K + rank] = logits[start + i] + bias[i];
    ids[row * p.K + rank] = i32(i);
  }
}
