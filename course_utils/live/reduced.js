/** The relaxed problem as a function of z alone, which takes the solution of a linear system for each z. */

import { sumOfSquares } from "./linear.js";
import { expectWeight } from "./check.js";
import { checkProblem } from "./objectives.js";

/** Lower triangle L of a symmetric positive matrix, S = L L^T, in float64. */
function cholesky(S, m) {
  const L = new Float64Array(m * m);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = S[i * m + j];
      for (let k = 0; k < j; k++) sum -= L[i * m + k] * L[j * m + k];
      L[i * m + j] = i === j ? Math.sqrt(sum) : sum / L[j * m + j];
    }
  }
  return L;
}

/** Solves L L^T s = r in place. */
function choleskySolve(L, m, s) {
  for (let i = 0; i < m; i++) {
    let sum = s[i];
    for (let k = 0; k < i; k++) sum -= L[i * m + k] * s[k];
    s[i] = sum / L[i * m + i];
  }
  for (let i = m - 1; i >= 0; i--) { // by columns of L^T, that is by rows of L
    s[i] /= L[i * m + i];
    for (let k = 0; k < i; k++) s[k] -= L[i * m + k] * s[i];
  }
}

const grams = new WeakMap(); // A A^T of each operator: worked out once, used for every weight

function gram(A) {
  if (!grams.has(A)) {
    const S = new Float64Array(A.m * A.m), e = new Float32Array(A.m);
    for (let j = 0; j < A.m; j++) {
      e[j] = 1;
      S.set(A.forward(A.adjoint(e)), j * A.m);
      e[j] = 0;
    }
    grams.set(A, S);
  }
  return grams.get(A);
}

/**
 * Relaxed with x eliminated exactly: a function of z alone, for `algorithm1` and `lbfgs`.
 *
 * The best x for a given z is G(z) - A^T s with (lam I + A A^T) s = A G(z) - y = r, and what remains is
 * lam <r, s> + lam mu ||z||^2. One Cholesky factor of an (m, m) matrix for each lam, so m must not be large.
 */
export function reduced(G, A, y, lam, mu) {
  checkProblem(G, A, y);
  if (!(lam > 0 && lam < Infinity)) throw new Error(`'lam' must be a number > 0, got ${lam}`);
  expectWeight("mu", mu);
  if (A.m > 1000) throw new Error(`reduced takes at most 1000 data, got ${A.m}; relaxed has no limit`);
  const S = gram(A).slice(), x = new Float32Array(A.n), r = new Float32Array(A.m), back = new Float32Array(A.n);
  for (let i = 0; i < A.m; i++) S[i * A.m + i] += lam;
  const L = cholesky(S, A.m), s = new Float64Array(A.m), size = sumOfSquares(y);

  function solve(z) {
    A.forward(G.forward(z, x), r);
    for (let i = 0; i < r.length; i++) s[i] = r[i] - y[i];
    choleskySolve(L, A.m, s);
  }
  const block = {
    value(z) {
      solve(z);
      let f = 0;
      for (let i = 0; i < r.length; i++) f += (r[i] - y[i]) * s[i];
      return lam * f + lam * mu * sumOfSquares(z);
    },
    gradient(z, out) {
      const f = block.value(z);
      r.set(s);
      G.vjp(A.adjoint(r, back), out);
      for (let i = 0; i < out.length; i++) out[i] = 2 * lam * (out[i] + mu * z[i]);
      return f;
    },
    magnitude: () => size,
  };
  return {
    ...block,
    kind: "reduced",
    d: G.d,
    start: block.value,
    parts(z) {
      solve(z);
      r.set(s);
      const u = A.adjoint(r), image = G.forward(z);
      for (let i = 0; i < u.length; i++) image[i] += u[i] = -u[i];
      return { z: z.slice(), x: image, u };
    },
  };
}
