// y = epilogue(x * transpose(w)). A thread computes 4 rows by 4 columns of y, a workgroup of 8 by 8
// threads 32 by 32.
//! include lib/weight_$W.wgsl
//! include lib/epilogue.wgsl

@group(0) @binding(0) var<storage, read> x: array<vec4f>;        // [M, K / 4]
@group(0) @binding(1) var<storage, read> w: array<u32>;          // [N, K]
@group(0) @binding(2) var<storage, read> bias: array<f32>;       // [N]
@group(0) @binding(3) var<storage, read> residual: array<f32>;   // [M, N]
@group(0) @binding(4) var<storage, read> gate: array<f32>;       // [1]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // [M, N]
@group(1) @binding(0) var<uniform> p: MatmulParams;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = 4u * id.x;
  let m = 4u * id.y;
  if (n >= p.N || m >= p.M) { return; }
  let n1 = min(n + 1u, p.N - 1u);
  let n2 = min(n + 2u, p.N - 1u);
  let n3 = min(n + 3u, p.N - 1u);
  let columns = p.K / 4u;
  let m0 = m * columns;
  let m1 = min(m + 1u, p.M - 1u) * columns;
  let m2 = min(m + 2u, p.M - 1u) * columns;
  let m3 = min(m + 3u, p.M - 1u) * columns;
  var s0: vec4f = vec4f(0.0);
  var s1: vec4f = vec4f(0.0);
  var s2: vec4f = vec4f(0.0);
  var s3: vec4f = vec4f(0.0);
  for (var c: u32 = 0u; c < columns; c++) {
    let a = w4(n, c);
    let b = w4(n1, c);
    let d = w4(n2, c);
    let e = w4(n3, c);
    let v0 = x[m0 + c];
    let v1 = x[m1 + c];
    let v2 = x[m2 + c];
    let v3 = x[m3 + c];
    s0 += vec4f(dot(v0, a), dot(v0, b), dot(v0, d), dot(v0, e));
    s1 += vec4f(dot(v1, a), dot(v1, b), dot(v1, d), dot(v1, e));
    s2 += vec4f(dot(v2, a), dot(v2, b), dot(v2, d), dot(v2, e));
    s3 += vec4f(dot(v3, a), dot(v3, b), dot(v3, d), dot(v3, e));
  }
  for (var o: u32 = 0u; o < 16u; o++) {
    var v: vec4f = s0;
    if (o >= 12u) { v = s3; } else if (o >= 8u) { v = s2; } else if (o >= 4u) { v = s1; }
    if (m + o / 4u < p.M && n + o % 4u < p.N) { finish(m + o / 4u, n + o % 4u, v[o % 4u]); }
  }
}
