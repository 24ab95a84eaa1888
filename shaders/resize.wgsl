// y = round(sum of weight * pixel) along one axis, per channel of packed RGBA8. One thread per pixel.
struct Params { W: u32, out_w: u32, out_h: u32, table_width: u32 }

@group(0) @binding(0) var<storage, read> image: array<u32>;    // [H, W]
@group(0) @binding(1) var<storage, read> table: array<i32>;    // [pixels along the axis, table_width]
@group(0) @binding(2) var<storage, read_write> y: array<u32>;  // [out_h, out_w]
@group(1) @binding(0) var<uniform> p: Params;

const BITS: u32 = 22u; // of fraction in a weight

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * WG + lane;
  if (i >= p.out_w * p.out_h) { return; }
  let ox = i % p.out_w;
  let oy = i / p.out_w;
  let line = select(ox, oy, DOWN) * p.table_width;
  let first = u32(table[line]);
  let count = u32(table[line + 1u]);
  let step = select(1u, p.W, DOWN);
  var at = select(oy * p.W + first, first * p.W + ox, DOWN);
  var sum = vec4i(2097152, 2097152, 2097152, 2097152); // one half
  for (var j: u32 = 0u; j < count; j += 1u) {
    let pixel = (vec4u(image[at]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
    sum += table[line + 2u + j] * vec4i(pixel);
    at += step;
  }
  let v = vec4u(clamp(sum >> vec4u(BITS), vec4i(0), vec4i(255)));
  y[i] = v.x | (v.y << 8u) | (v.z << 16u) | (v.w << 24u);
}
