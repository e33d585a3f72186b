// A Gaussian image whose precision L L^T has a local Cholesky factor, as in `LocalPrecision`.

import { dot } from "../../live/linear.js";

export const LATER = [[0, 1], [1, -1], [1, 0], [1, 1]]; // neighbours within 3 x 3 that come later in reading order

// logDiagonal: size * size numbers; coefficients: one such array for each entry of LATER, or none.
export function localPrecision(size, logDiagonal, coefficients) {
  const n = size * size, d = Float64Array.from(logDiagonal, Math.exp), scaled = new Float64Array(n);
  // a is 0 where the neighbour lies outside; then j + shift may be any entry, or none
  const links = coefficients.map((given, o) => {
    const [r, c] = LATER[o], a = Float64Array.from(given);
    for (let j = 0; j < n; j++) {
      const column = (j % size) + c;
      if (j >= n - r * size || column < 0 || column >= size) a[j] = 0;
    }
    return { a, shift: r * size + c, end: Math.min(n, n - r * size - c) };
  });
  const p = {
    d,
    whiten(v, out = new Float64Array(n)) { // L^T v
      out.set(v);
      for (const { a, shift, end } of links) for (let j = 0; j < end; j++) out[j] += a[j] * v[j + shift];
      for (let j = 0; j < n; j++) out[j] *= d[j];
      return out;
    },
    colour(v, out = new Float64Array(n)) { // L v
      for (let j = 0; j < n; j++) scaled[j] = v[j] * d[j];
      out.set(scaled);
      for (const { a, shift, end } of links) for (let j = 0; j < end; j++) out[j + shift] += a[j] * scaled[j];
      return out;
    },
    precision: v => p.colour(p.whiten(v)),
    diagonal() { // of the precision: the squares in each row of L
      const out = d.map(value => value * value);
      for (const { a, shift, end } of links) for (let j = 0; j < end; j++) out[j + shift] += (a[j] * d[j]) ** 2;
      return out;
    },
    covariance(e) { // L v = e from the first pixel to the last, then L^T w = v from the last to the first
      const v = Float64Array.from(e), w = new Float64Array(n);
      for (let j = 0; j < n; j++) {
        for (const { a, shift, end } of links) if (j < end) v[j + shift] -= a[j] * v[j];
        v[j] /= d[j];
      }
      for (let j = n - 1; j >= 0; j--) {
        w[j] = v[j] / d[j];
        for (const { a, shift, end } of links) if (j < end) w[j] -= a[j] * w[j + shift];
      }
      return w;
    },
  };
  return p;
}

// The x of least ||A x - y||^2 + weight ||x - g||^2 in the norm of the precision, by conjugate gradients with Jacobi's
// preconditioner.
export function* bestImage(A, y, g, p, weight, { tol = 1e-5, maxIter = 3000 } = {}) {
  const n = A.n, x = Float64Array.from(g), r = A.adjoint(y), s = new Float64Array(n), v = new Float64Array(n);
  const Hv = new Float64Array(n), scale = p.diagonal(), level = A.m / 2 / n;
  const times = w => { // A* A w + weight Sigma^-1 w
    A.normal(w, Hv);
    const pull = p.precision(w);
    for (let j = 0; j < n; j++) Hv[j] += weight * pull[j];
    return Hv;
  };
  const pull = p.precision(g);
  for (let j = 0; j < n; j++) r[j] += weight * pull[j];
  const enough = tol ** 2 * dot(r, r);
  times(x);
  for (let j = 0; j < n; j++) {
    scale[j] = level + weight * scale[j];
    r[j] -= Hv[j];
    v[j] = s[j] = r[j] / scale[j];
  }
  let slope = dot(r, s);
  yield { x, iterations: 0 };
  for (let k = 1; k <= maxIter && dot(r, r) > enough; k++) {
    times(v);
    const step = slope / dot(v, Hv), old = slope;
    for (let j = 0; j < n; j++) {
      x[j] += step * v[j];
      r[j] -= step * Hv[j];
      s[j] = r[j] / scale[j];
    }
    slope = dot(r, s);
    for (let j = 0; j < n; j++) v[j] = s[j] + (slope / old) * v[j];
    yield { x, iterations: k };
  }
}
