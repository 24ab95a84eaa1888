// token, ring[step % len] = the lowest i with the largest logits[i] + bias[i], or -1 when a logit is
// not finite. One workgroup.
struct Params { V: u32, ring: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;      // [V]
@group(0) @binding(1) var<storage, read> bias: array<f32>;        // [V]
@group(0) @binding(2) var<storage, read> state: array<i32>;       // element 1 is the step
@group(0) @binding(3) var<storage, read_write> token: array<i32>; // [1]
@group(0) @binding(4) var<storage, read_write> ring: array<i32>;  // [ring]
@group(1) @binding(0) var<uniform> p: Params;

const PART: u32 = 16u; // lanes that one lane sums up
const PARTS: u32 = WG / PART;

var<workgroup> values: array<f32, WG>;
var<workgroup> ids: array<u32, WG>;

const FAULT: u32 = 0xffffffffu; // an id that no lane offers otherwise

struct Best { value: f32, id: u32 }

fn better(a: Best, b: Best) -> Best {
  if (a.id == FAULT || b.id == FAULT) { return Best(0.0, FAULT); }
  if (b.value > a.value || (b.value == a.value && b.id < a.id)) { return b; }
  return a;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  // Lanes beyond V repeat an element, which changes nothing.
  let first = min(lane, p.V - 1u);
  var best = Best(logits[first] + bias[first], first);
  for (var i: u32 = first; i < p.V; i += WG) {
    let x = logits[i];
    if ((bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u) { best = Best(0.0, FAULT); }
    let v = x + bias[i];
    if (best.id != FAULT && v > best.value) { best = Best(v, i); }
  }
  values[lane] = best.value;
  ids[lane] = best.id;
  workgroupBarrier();
  if (lane < PARTS) {
    for (var i: u32 = lane + PARTS; i < WG; i += PARTS) { best = better(best, Best(values[i], ids[i])); }
    values[lane] = best.value;
    ids[lane] = best.id;
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var i: u32 = 1u; i < PARTS; i += 1u) { best = better(best, Best(values[i], ids[i])); }
    token[0] = bitcast<i32>(best.id);
    ring[bitcast<u32>(state[1]) % p.ring] = bitcast<i32>(best.id);
  }
}
