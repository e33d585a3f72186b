/** Regularisers written by hand, solved: generator functions that yield a state after every iteration. */

import { sumOfSquares, squaredDistance, dot } from "./linear.js";
import { expectVector, expectNone, expectWeight } from "./check.js";

/** ||A x - y||^2 + lam ||x||^2: conjugate gradients on (A^T A + lam) x = A^T y, to a relative residual `tol`. */
export function* tikhonov(A, y, lam, { tol = 1e-5, maxIter = 1000, ...unknown } = {}) {
  expectNone(unknown);
  expectVector("y", y, A.m);
  expectWeight("lam", lam);
  const x = new Float32Array(A.n), data = new Float32Array(A.m), q = new Float32Array(A.n);
  const r = A.adjoint(y), p = r.slice(), target = tol * tol * sumOfSquares(r);
  let left = sumOfSquares(r);

  function state(iterations) {
    const status = left <= target ? "converged" : iterations >= maxIter ? "budget" : "running";
    const f = squaredDistance(A.forward(x, data), y) + lam * sumOfSquares(x);
    return { iterations, objective: f, status, x: x.slice() };
  }

  let now = state(0);
  yield now;
  for (let k = 1; now.status === "running"; k++) {
    A.adjoint(A.forward(p, data), q);
    for (let i = 0; i < q.length; i++) q[i] += lam * p[i];
    const step = left / dot(p, q);
    for (let i = 0; i < x.length; i++) {
      x[i] += step * p[i];
      r[i] -= step * q[i];
    }
    const old = left;
    left = sumOfSquares(r);
    for (let i = 0; i < p.length; i++) p[i] = r[i] + (left / old) * p[i];
    now = state(k);
    yield now;
  }
}

/** Forward differences of an image, down (first half of d) and along (second half); 0 across the border. */
function differences(x, height, width, d) {
  const n = height * width;
  for (let i = 0; i < height; i++) {
    for (let j = 0, k = i * width; j < width; j++, k++) {
      d[k] = i < height - 1 ? x[k + width] - x[k] : 0;
      d[n + k] = j < width - 1 ? x[k + 1] - x[k] : 0;
    }
  }
}

/** Minus the adjoint of `differences`. */
function divergence(q, height, width, out) {
  const n = height * width;
  for (let i = 0; i < height; i++) {
    for (let j = 0, k = i * width; j < width; j++, k++) {
      let sum = 0;
      if (i < height - 1) sum += q[k];
      if (i > 0) sum -= q[k - width];
      if (j < width - 1) sum += q[n + k];
      if (j > 0) sum -= q[n + k - 1];
      out[k] = sum;
    }
  }
}

function totalVariation(x, height, width, d) {
  differences(x, height, width, d);
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += Math.sqrt(d[k] * d[k] + d[x.length + k] * d[x.length + k]);
  return sum;
}

/**
 * ||A x - y||^2 + lam TV(x), isotropic, by the primal-dual hybrid gradient method, over-relaxed.
 *
 * shape: [height, width] of x, or the length of a signal. The dual variables are p, for A x, and q, for the
 * differences, |q| <= lam in every pixel; 3 bounds the norm of both maps together. ratio: primal over dual step size;
 * by default 1 for ten steps, then from how far x and (p, q) have come since the ratio was last looked at, after 10, 40,
 * 80, ... steps. It ends when, twice in a row, ten iterations have changed objective and image by no more than tol,
 * relatively.
 */
export function* tv(A, y, shape, lam, settings = {}) {
  const { ratio = null, relaxation = 1.9, maxIter = 2000, tol = 1e-5, x0 = null, ...unknown } = settings;
  expectNone(unknown);
  const [height, width] = Array.isArray(shape) ? shape : [1, shape], n = height * width, checkEvery = 10;
  if (n !== A.n) throw new Error(`'shape' has ${n} pixels, A takes ${A.n}`);
  expectVector("y", y, A.m);
  expectWeight("lam", lam);
  if (ratio !== null && !(ratio > 0)) throw new Error(`'ratio' must be > 0, got ${ratio}`);
  if (!(relaxation > 0 && relaxation < 2)) throw new Error(`'relaxation' must be in (0, 2), got ${relaxation}`);
  const x = x0 === null ? new Float32Array(n) : Float32Array.from(x0);
  expectVector("x0", x, n);
  const centre = x.slice(), checked = x.slice(), bar = new Float32Array(n), back = new Float32Array(n);
  const p = new Float32Array(A.m), pNew = new Float32Array(A.m), data = new Float32Array(A.m);
  const q = new Float32Array(2 * n), qNew = new Float32Array(2 * n), d = new Float32Array(2 * n);
  const value = () => squaredDistance(A.forward(x, data), y) + lam * totalVariation(x, height, width, d);
  const markedX = x.slice(), markedP = p.slice(), markedQ = q.slice();
  let ratioNow = ratio ?? 1, f = value(), fChecked = f, balanced = checkEvery, calm = false;
  let now = { iterations: 0, objective: f, status: maxIter > 0 ? "running" : "budget", x: x.slice() };
  yield now;
  for (let k = 1; now.status === "running"; k++) {
    const tau = Math.sqrt(ratioNow) / 3, sigma = 1 / (3 * Math.sqrt(ratioNow));
    A.adjoint(p, back);
    divergence(q, height, width, x);
    for (let i = 0; i < n; i++) {
      x[i] = centre[i] - tau * (back[i] - x[i]);
      bar[i] = 2 * x[i] - centre[i];
    }
    A.forward(bar, data); // prox of sigma times the conjugate of ||. - y||^2
    for (let i = 0; i < A.m; i++) pNew[i] = (p[i] + sigma * (data[i] - y[i])) / (1 + sigma / 2);
    differences(bar, height, width, d); // and the projection of q to |q| <= lam
    for (let i = 0; i < n; i++) {
      const a = q[i] + sigma * d[i], b = q[n + i] + sigma * d[n + i], length = Math.sqrt(a * a + b * b);
      const factor = length > lam ? lam / length : 1;
      qNew[i] = a * factor;
      qNew[n + i] = b * factor;
    }
    for (let i = 0; i < n; i++) centre[i] += relaxation * (x[i] - centre[i]);
    for (let i = 0; i < A.m; i++) p[i] += relaxation * (pNew[i] - p[i]);
    for (let i = 0; i < 2 * n; i++) q[i] += relaxation * (qNew[i] - q[i]);
    f = value();
    let done = false;
    if (k % checkEvery === 0 || k === maxIter) {
      const way = squaredDistance(x, checked);
      if (ratio === null && k === balanced) {
        const duals = Math.max(squaredDistance(pNew, markedP) + squaredDistance(qNew, markedQ), 1e-30);
        const found = 0.5 * Math.min(1e8, Math.max(1e-8, squaredDistance(x, markedX) / duals));
        ratioNow = k === checkEvery ? found : Math.sqrt(ratioNow * found);
        balanced = k === checkEvery ? 4 * k : 2 * k;
        markedX.set(x);
        markedP.set(pNew);
        markedQ.set(qNew);
      }
      const still = Math.abs(fChecked - f) <= tol * f && way <= tol * Math.max(sumOfSquares(x), 1e-60);
      done = still && calm; // once may be where the objective, which is not monotone, turns
      calm = still;
      fChecked = f;
      checked.set(x);
    }
    now = {
      iterations: k, objective: f, status: done ? "converged" : k >= maxIter ? "budget" : "running", x: x.slice(),
    };
    yield now;
  }
}
