// state[slot] += by. One thread.
struct Params { slot: u32, by: i32 }

@group(0) @binding(0) var<storage, read_write> state: array<i32>;
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(1)
fn main() { state[p.slot] += p.by; }
