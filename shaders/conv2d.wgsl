// y = act(conv(x) + bias), zeros outside the picture. A thread computes 4 pixels of a row by 4
// channels of a group, a workgroup WX quads of channels by WY quads of pixels.
//! include lib/weight_$W.wgsl
//! include lib/activation.wgsl

struct Params {
  H: u32, W: u32, OH: u32, OW: u32,
  kernel: u32, stride: u32,
  top: u32, left: u32,
  C: u32, N: u32, K: u32,
  group_in: u32, group_out: u32,
  quads: u32, act: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;      // [H, W, C / 4]
@group(0) @binding(1) var<storage, read> w: array<u32>;        // [N, kernel, kernel, group_in]
@group(0) @binding(2) var<storage, read> bias: array<f32>;     // [N]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [OH, OW, N]
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WX, WY)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = 4u * id.x;
  let oy = id.y / p.quads;
  let ox = 4u * (id.y % p.quads);
  if (n >= p.N || oy >= p.OH) { return; }
  let n1 = min(n + 1u, p.N - 1u);
  let n2 = min(n + 2u, p.N - 1u);
  let n3 = min(n + 3u, p.N - 1u);
  let channels = p.group_in / 4u;
  let first = (n / p.group_out) * channels;
  let pitch = p.C / 4u;
  var s0: vec4f = vec4f(0.0);
  var s1: vec4f = vec4f(0.0);
  var s2: vec4f = vec4f(0.0);
  var s3: vec4f = vec4f(0.0);
  for (var ky: u32 = 0u; ky < p.kernel; ky++) {
    // Rows and columns outside the picture wrap to large numbers.
    let iy = oy * p.stride + ky - p.top;
    if (iy >= p.H) { continue; }
    for (var kx: u32 = 0u; kx < p.kernel; kx++) {
      let ix = ox * p.stride + kx - p.left;
      let ix1 = ix + p.stride;
      let ix2 = ix1 + p.stride;
      let ix3 = ix2 + p.stride;
      let row = iy * p.W;
      let i0 = (row + min(ix, p.W - 1u)) * pitch + first;
      let i1 = (row + min(ix1, p.W - 1u)) * pitch + first;
      let i2 = (row + min(ix2, p.W - 1u)) * pitch + first;
      let i3 = (row + min(ix3, p.W - 1u)) * pitch + first;
      let in0 = select(0.0, 1.0, ix < p.W);
      let in1 = select(0.0, 1.0, ix1 < p.W);
      let in2 = select(0.0, 1.0, ix2 < p.W);
      let in3 = select(0.0, 1.0, ix3 < p.W);
      let tap = (ky * p.kernel + kx) * channels;
      for (var c: u32 = 0u; c < channels; c++) {
        let a = w4(n, tap + c);
        let b = w4(n1, tap + c);
        let d = w4(n2, tap + c);
        let e = w4(n3, tap + c);
        let v0 = x[i0 + c] * in0;
        let v1 = x[i1 + c] * in1;
        let v2 = x[i2 + c] * in2;
        let v3 = x[i3 + c] * in3;
        s0 += vec4f(dot(v0, a), dot(v0, b), dot(v0, d), dot(v0, e));
        s1 += vec4f(dot(v1, a), dot(v1, b), dot(v1, d), dot(v1, e));
        s2 += vec4f(dot(v2, a), dot(v2, b), dot(v2, d), dot(v2, e));
        s3 += vec4f(dot(v3, a), dot(v3, b), dot(v3, d), dot(v3, e));
      }
    }
  }
  let pixel = oy * p.OW + ox;
  for (var o: u32 = 0u; o < 16u; o++) {
    var v: vec4f = s0;
    if (o >= 12u) { v = s3; } else if (o >= 8u) { v = s2; } else if (o >= 4u) { v = s1; }
    let channel = n + o % 4u;
    if (ox + o / 4u < p.OW && channel < p.N) {
      y[(pixel + o / 4u) * p.N + channel] = activate(v[o % 4u] + bias[channel], p.act);
    }
  }
}
