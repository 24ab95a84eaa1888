// The products of matvec, before they are summed over lanes. A team of LANES lanes shares 4 rows of w
// and splits K; a workgroup has WG / LANES teams. s0 to s3 belong to the rows of x (ROWS of them
// count), their components to the rows of w.
//! include lib/weight_$W.wgsl
//! include lib/epilogue.wgsl

@group(0) @binding(0) var<storage, read> x: array<vec4f>;        // [M, K / 4]
@group(0) @binding(1) var<storage, read> w: array<u32>;          // [N, K]
@group(0) @binding(2) var<storage, read> bias: array<f32>;       // [N]
@group(0) @binding(3) var<storage, read> residual: array<f32>;   // [M, N]
@group(0) @binding(4) var<storage, read> gate: array<f32>;       // [1]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;    // [M, N]
@group(1) @binding(0) var<uniform> p: MatmulParams;

const TEAMS: u32 = WG / LANES;

struct Sums { s0: vec4f, s1: vec4f, s2: vec4f, s3: vec4f }

fn products(group: u32, lane: u32) -> Sums {
  let first = 4u * (group * TEAMS + lane / LANES);
  let last = p.N - 1u;
  let n0 = min(first, last);
  let n1 = min(first + 1u, last);
  let n2 = min(first + 2u, last);
  let n3 = min(first + 3u, last);
  let columns = p.K / 4u;
  let x1 = columns * min(1u, p.M - 1u);
  let x2 = columns * min(2u, p.M - 1u);
  let x3 = columns * min(3u, p.M - 1u);
  var s0: vec4f = vec4f(0.0);
  var s1: vec4f = vec4f(0.0);
  var s2: vec4f = vec4f(0.0);
  var s3: vec4f = vec4f(0.0);
  for (var c: u32 = lane % LANES; c < columns; c += LANES) {
    let a = w4(n0, c);
    let b = w4(n1, c);
    let d = w4(n2, c);
    let e = w4(n3, c);
    let v0 = x[c];
    s0 += vec4f(dot(v0, a), dot(v0, b), dot(v0, d), dot(v0, e));
    if (ROWS > 1u) {
      let v1 = x[x1 + c];
      let v2 = x[x2 + c];
      let v3 = x[x3 + c];
      s1 += vec4f(dot(v1, a), dot(v1, b), dot(v1, d), dot(v1, e));
      s2 += vec4f(dot(v2, a), dot(v2, b), dot(v2, d), dot(v2, e));
      s3 += vec4f(dot(v3, a), dot(v3, b), dot(v3, d), dot(v3, e));
    }
  }
  return Sums(s0, s1, s2, s3);
}

// finish_output stores output o of 4 * ROWS * TEAMS that a workgroup has.
fn finish_output(group: u32, o: u32, sum: f32) {
  let m = o / (4u * TEAMS);
  let n = 4u * (group * TEAMS + o % TEAMS) + (o / TEAMS) % 4u;
  if (m < p.M && n < p.N) { finish(m, n, sum); }
}
