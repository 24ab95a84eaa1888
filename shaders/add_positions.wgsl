// y[t] = x[t] + table[position + offset], where the position is the state's + t, or that in places; the
// last of the table where it has no such row. A thread computes one element.
struct Params { N: u32, width: u32, D: u32, rows: i32, offset: i32, listed: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;        // [T, D], N elements
@group(0) @binding(1) var<storage, read> table: array<f32>;    // [rows, D]
@group(0) @binding(2) var<storage, read> state: array<i32>;    // or places [T, 2]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [T, D]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * p.width + id.x;
  if (i >= p.N) { return; }
  let t = i / p.D;
  var row: i32 = state[0] + i32(t);
  if (p.listed == 1u) { row = state[2u * t + 1u]; }
  row += p.offset;
  if (row < 0 || row >= p.rows) { row = p.rows - 1; }
  y[i] = x[i] + table[u32(row) * p.D + i % p.D];
}
