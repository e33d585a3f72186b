/**
 * Forward operators: { m, n, forward(x), adjoint(r) } with the exact adjoint; both write into their second argument
 * if there is one. Every operator has norm 1, as everywhere in the course.
 *
 *     const A = gaussianMatrix(150, 784, 0);
 */

import { sumOfSquares, dot, multiply, transpose } from "./linear.js";
import { expectLength } from "./check.js";
import { randn } from "./random.js";

/** Largest singular value of a matrix (rows, columns), by power iteration on the smaller of A A^T and A^T A. */
export function spectralNorm(A, rows, columns) {
  const T = transpose(A, rows, columns), n = Math.min(rows, columns);
  const square = new Float32Array(n * n);
  if (rows <= columns) multiply(A, T, square, n, columns, n);
  else multiply(T, A, square, n, rows, n);
  // a start that no symmetry of A excludes
  let v = randn(1, Math.max(n, 16)).subarray(0, n).map((value) => 1 + 0.1 * value), w = new Float32Array(n), value = 0;
  for (let k = 0; k < 20000; k++) {
    const size = Math.sqrt(sumOfSquares(v));
    for (let i = 0; i < n; i++) v[i] /= size;
    multiply(square, v, w, n, n, 1);
    const old = value;
    value = dot(v, w);
    [v, w] = [w, v];
    if (k > 20 && Math.abs(value - old) <= 1e-10 * value) break;
  }
  if (!(value > 0)) throw new Error("an operator of norm 0 cannot be scaled to norm 1");
  return Math.sqrt(value);
}

/** A = I on n numbers: denoising. */
export function identity(n) {
  function copy(x, out = new Float32Array(n)) {
    out.set(x);
    return out;
  }
  return { m: n, n, forward: copy, adjoint: copy };
}

/** The operator of a matrix (m, n) in reading order; it is taken as it is, so let its norm be 1. */
export function matrix(values, m, n) {
  expectLength("values", values, m * n);
  const A = Float32Array.from(values), T = transpose(A, m, n);
  return {
    m, n,
    forward: (x, out = new Float32Array(m)) => multiply(A, x, out, m, n, 1),
    adjoint: (r, out = new Float32Array(n)) => multiply(T, r, out, n, m, 1),
  };
}

/** Compressed sensing: m random projections of n pixels, of norm 1; the entries are those of `GaussianMatrix`. */
export function gaussianMatrix(m, n, seed) {
  const values = randn(seed, m * n), norm = spectralNorm(values, m, n);
  return matrix(values.map((value) => value / norm), m, n);
}
