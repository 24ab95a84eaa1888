// What examples and their orders need of arithmetic: vectors behind each other, likeness, permutations, means.

// pack puts the rows {id, asks, vector} behind each other, whose vectors are all of the same length.
export function pack(rows, length) {
  const vectors = new Float32Array(rows.length * length);
  rows.forEach(({ vector }, i) => vectors.set(vector, i * length));
  return { ids: rows.map(({ id }) => id), asks: rows.map(({ asks }) => asks), vectors };
}

// rank gives {id, similarity} of the n rows nearest to a vector of length 1, the most similar last; with asking, of those
// that have a question.
export function rank({ ids, asks, vectors }, query, n, asking) {
  const length = query.length;
  const likeness = new Float64Array(ids.length);
  for (let row = 0, at = 0; row < ids.length; row++) {
    let sum = 0;
    for (let i = 0; i < length; i++) sum += vectors[at++] * query[i];
    likeness[row] = sum;
  }
  const rows = [];
  for (let row = 0; row < ids.length; row++) if (!asking || asks[row]) rows.push(row);
  return rows
    .sort((a, b) => likeness[a] - likeness[b] || a - b)
    .slice(-n)
    .map((row) => ({ id: ids[row], similarity: likeness[row] }));
}

// permutations gives k orders of n things, or all where there are fewer; the first is the given one, the others are drawn
// by a seed.
export function permutations(n, k, seed = 0) {
  let all = 1;
  for (let i = 2; i <= n && all < k; i++) all *= i;
  let state = seed;
  const below = (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
  const order = Array.from({ length: n }, (_, i) => i);
  const found = new Map();
  while (found.size < Math.min(k, all)) {
    found.set(order.join(), [...order]);
    for (let i = n - 1; i > 0; i--) {
      const j = below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
  }
  return [...found.values()];
}

// averaged gives the mean log-probabilities of a request's texts over `most` orders of its examples; run gives its scores.
export async function averaged(request, { most, seed }, run) {
  const lists = [];
  for (const order of permutations(request.shots.length, most, seed)) {
    lists.push(await run({ ...request, shots: order.map((i) => request.shots[i]) }));
  }
  return lists[0].map((score, i) => {
    const mean = (of) => lists.reduce((sum, list) => sum + of(list[i]), 0) / lists.length;
    return {
      ...score,
      logProb: mean((one) => one.logProb),
      perToken: mean((one) => one.perToken),
      tokens: score.tokens.map((token, j) => ({ ...token, logProb: mean((one) => one.tokens[j].logProb) })),
    };
  });
}
