// y[cy, cx] = (pixel / 255 - mean) / deviation of image pixel (cx - left, cy - top), zero outside of it and
// in the fourth channel. One thread per pixel of the canvas.
struct Params { mean: vec4f, deviation: vec4f, w: u32, h: u32, size: u32, left: i32, top: i32 }

@group(0) @binding(0) var<storage, read> image: array<u32>;     // [h, w]
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>; // [size, size, 4]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * groups.x + wg.x) * WG + lane;
  if (i >= p.size * p.size) { return; }
  let ix = i32(i % p.size) - p.left;
  let iy = i32(i / p.size) - p.top;
  var v = vec4f(0.0, 0.0, 0.0, 0.0);
  if (ix >= 0 && iy >= 0 && ix < i32(p.w) && iy < i32(p.h)) {
    let pixel = vec3u(image[u32(iy) * p.w + u32(ix)]) >> vec3u(0u, 8u, 16u);
    v = vec4f((vec3f(pixel & vec3u(255u)) / 255.0 - p.mean.xyz) / p.deviation.xyz, 0.0);
  }
  y[i] = v;
}
