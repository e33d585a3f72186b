// A Gaussian image whose precision L L^T has a local Cholesky factor, as in `LocalPrecision`.

const LATER = [[0, 1], [1, -1], [1, 0], [1, 1]]; // neighbours within 3 x 3 that come later in reading order

// logDiagonal: size * size numbers; coefficients: one such array for each entry of LATER, or none.
function localPrecision(size, logDiagonal, coefficients) {
  const n = size * size, d = Float64Array.from(logDiagonal, Math.exp);
  const links = coefficients.map((a, o) => {
    const [r, c] = LATER[o];
    return { a, shift: r * size + c, rows: size - r, from: c < 0 ? 1 : 0, to: c > 0 ? size - 1 : size };
  });
  const inside = ({ rows, from, to }, j) => j < rows * size && j % size >= from && j % size < to;
  const each = (link, visit) => {
    for (let r = 0; r < link.rows; r++) {
      for (let j = r * size + link.from, end = r * size + link.to; j < end; j++) visit(j, j + link.shift, link.a[j]);
    }
  };
  const p = {
    d,
    whiten(v) { // L^T v
      const out = Float64Array.from(v);
      for (const link of links) each(link, (j, later, a) => { out[j] += a * v[later]; });
      for (let j = 0; j < n; j++) out[j] *= d[j];
      return out;
    },
    colour(v) { // L v
      const scaled = Float64Array.from(v, (value, j) => value * d[j]), out = scaled.slice();
      for (const link of links) each(link, (j, later, a) => { out[later] += a * scaled[j]; });
      return out;
    },
    precision: v => p.colour(p.whiten(v)),
    diagonal() { // of the precision: the squares in each row of L
      const out = d.map(value => value * value);
      for (const link of links) each(link, (j, later, a) => { out[later] += (a * d[j]) ** 2; });
      return out;
    },
    covariance(e) { // L v = e from the first pixel to the last, then L^T w = v from the last to the first
      const v = Float64Array.from(e), w = new Float64Array(n);
      for (let j = 0; j < n; j++) {
        for (const link of links) if (inside(link, j)) v[j + link.shift] -= link.a[j] * v[j];
        v[j] /= d[j];
      }
      for (let j = n - 1; j >= 0; j--) {
        w[j] = v[j] / d[j];
        for (const link of links) if (inside(link, j)) w[j] -= link.a[j] * w[j + link.shift];
      }
      return w;
    },
  };
  return p;
}

// The x of least ||A x - y||^2 + weight ||x - g||^2 in the norm of the precision, by conjugate gradients with Jacobi's
// preconditioner.
function* bestImage(A, y, g, p, weight, { tol = 1e-5, maxIter = 3000 } = {}) {
  const times = (v, out) => {
    A.normal(v, out);
    p.precision(v).forEach((value, j) => { out[j] += weight * value; });
    return out;
  };
  const inner = (v, w) => v.reduce((sum, value, j) => sum + value * w[j], 0);
  const b = A.adjoint(y), x = Float64Array.from(g), Hv = new Float64Array(A.n), level = A.m / 2 / A.n;
  p.precision(g).forEach((value, j) => { b[j] += weight * value; });
  const scale = p.diagonal().map(value => level + weight * value);
  const r = times(x, Hv).map((value, j) => b[j] - value), s = r.map((value, j) => value / scale[j]), v = s.slice();
  const enough = tol ** 2 * engine.sumOfSquares(b);
  let slope = inner(r, s);
  yield { x, iterations: 0 };
  for (let k = 1; k <= maxIter && engine.sumOfSquares(r) > enough; k++) {
    times(v, Hv);
    const step = slope / inner(v, Hv), old = slope;
    for (let j = 0; j < v.length; j++) {
      x[j] += step * v[j];
      r[j] -= step * Hv[j];
      s[j] = r[j] / scale[j];
    }
    slope = inner(r, s);
    for (let j = 0; j < v.length; j++) v[j] = s[j] + (slope / old) * v[j];
    yield { x, iterations: k };
  }
}
