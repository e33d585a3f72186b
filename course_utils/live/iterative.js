/**
 * Iterative regularisation, to be stopped in time: generator functions without end, which yield the start and then the
 * state after every iteration, { iterations, misfit, x }.
 */

import { sumOfSquares, squaredDistance } from "./linear.js";
import { expectVector, expectNone } from "./check.js";

/**
 * x + step A^T (y - A x), from 0; the misfit is ||A x - y||^2. accelerated: Nesterov's variant, with the gradient at
 * x_k + (k - 1) / (k + 2) (x_k - x_{k-1}).
 */
export function* landweber(A, y, { step = 1, accelerated = false, ...unknown } = {}) {
  expectNone(unknown);
  expectVector("y", y, A.m);
  const allowed = step > 0 && (accelerated ? step <= 1 : step < 2);
  if (!allowed) throw new Error(`'step' must lie in (0, ${accelerated ? "1]" : "2)"}, got ${step}`);
  const x = new Float32Array(A.n), before = new Float32Array(A.n), at = new Float32Array(A.n);
  const data = new Float32Array(A.m), slope = new Float32Array(A.n);
  for (let k = 0; ; k++) {
    A.forward(x, data);
    yield { iterations: k, misfit: squaredDistance(data, y), x: x.slice() };
    const further = accelerated ? k / (k + 3) : 0; // of iteration k + 1
    for (let i = 0; i < x.length; i++) at[i] = x[i] + further * (x[i] - before[i]);
    if (further > 0) A.forward(at, data);
    for (let i = 0; i < data.length; i++) data[i] -= y[i];
    A.adjoint(data, slope);
    before.set(x);
    for (let i = 0; i < x.length; i++) x[i] = at[i] - step * slope[i];
  }
}

/**
 * Conjugate gradients for A^T A x = A^T y, from 0; the misfit is ||A x - y||^2.
 *
 * In double precision: in single, round-off parts two machines from the ninth step on, for the directions are orthogonal
 * no more once a large singular value has been found. In double it still moves single steps by some per cent.
 */
export function* cgls(A, y, unknown = {}) {
  expectNone(unknown);
  expectVector("y", y, A.m);
  const x = new Float64Array(A.n), residual = Float64Array.from(y), q = new Float64Array(A.m);
  const s = A.adjoint(residual, new Float64Array(A.n)), p = s.slice();
  let slope = sumOfSquares(s);
  const first = slope;
  for (let k = 0; ; k++) {
    yield { iterations: k, misfit: sumOfSquares(residual), x: Float32Array.from(x) };
    if (!(slope > 2 ** -104 * first)) continue; // at the solution, but for round-off
    A.forward(p, q);
    const alpha = slope / sumOfSquares(q);
    for (let i = 0; i < x.length; i++) x[i] += alpha * p[i];
    for (let i = 0; i < q.length; i++) residual[i] -= alpha * q[i];
    A.adjoint(residual, s);
    const before = slope;
    slope = sumOfSquares(s);
    for (let i = 0; i < p.length; i++) p[i] = s[i] + (slope / before) * p[i];
  }
}

/** The Kullback-Leibler distance of counts y from their means q; infinite where q has none and y has. */
export function kullbackLeibler(q, y) {
  let sum = 0;
  for (let i = 0; i < y.length; i++) sum += q[i] - y[i] + (y[i] > 0 ? y[i] * Math.log(y[i] / q[i]) : 0);
  return sum;
}

/**
 * Expectation maximisation for counts y with mean A x, where A has no negative entries, from a constant image with as
 * many counts; the misfit is the Kullback-Leibler distance.
 */
export function* mlem(A, y, unknown = {}) {
  expectNone(unknown);
  expectVector("y", y, A.m);
  if (y.some(value => value < 0)) throw new Error("'y' must hold counts, got a negative number");
  const seen = A.adjoint(new Float32Array(A.m).fill(1)), total = v => v.reduce((sum, value) => sum + value, 0);
  const rows = A.forward(new Float32Array(A.n).fill(1));
  if (y.some((value, i) => value > 0 && !(rows[i] > 0))) throw new Error("'y' has counts where A predicts none");
  const x = new Float32Array(A.n).fill(total(y) / total(seen));
  const model = new Float32Array(A.m), ratio = new Float32Array(A.m), factor = new Float32Array(A.n);
  for (let k = 0; ; k++) {
    A.forward(x, model);
    yield { iterations: k, misfit: kullbackLeibler(model, y), x: x.slice() };
    for (let i = 0; i < y.length; i++) ratio[i] = model[i] > 0 ? y[i] / model[i] : 0;
    A.adjoint(ratio, factor);
    for (let i = 0; i < x.length; i++) if (seen[i] > 0) x[i] *= factor[i] / seen[i];
  }
}
