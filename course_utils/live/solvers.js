/**
 * The algorithms of the paper, and L-BFGS.
 *
 * Solvers are generator functions: they yield a state after every iteration, so that a figure can draw it, pause, or
 * leave. Each state owns its arrays.
 *
 *     const last = finish(algorithm1(hard(G, A, y, 0.01), z0, { maxIter: 200 }));
 */

import { EPS, sumOfSquares, squaredDistance, dot } from "./linear.js";
import { expectVector, expectNone } from "./check.js";

/** L0: first inverse step size; eta0, eta1: its factor after an accepted and after a refused step. */
const STEPS = { L0: 1, eta0: 0.5, eta1: 10, maxIter: 2000, tol: 1e-8, stop: "iterate" };

function stepSettings(given) {
  expectNone(Object.fromEntries(Object.entries(given).filter(([name]) => !(name in STEPS))));
  const s = { ...STEPS, ...given };
  if (!(s.L0 > 0)) throw new Error(`'L0' must be > 0, got ${s.L0}`);
  if (!(s.eta0 > 0 && s.eta0 < 1)) throw new Error(`'eta0' must lie in (0, 1), got ${s.eta0}`);
  if (!(s.eta1 > 1)) throw new Error(`'eta1' must be > 1, got ${s.eta1}`);
  if (!["iterate", "objective"].includes(s.stop)) throw new Error(`'stop' must be iterate or objective, got ${s.stop}`);
  return s;
}

/** ||v - old||^2 <= tol ||v||^2, or old f - f <= tol |f|. */
function hasConverged({ stop, tol }, change, size, fOld, f) {
  return stop === "iterate" ? change <= tol * size : fOld - f <= tol * Math.abs(f);
}

/** The change of f that float32 cannot tell from none: f is a sum of squares of differences of larger numbers. */
function roundOff(block, f) {
  return 10 * EPS * Math.sqrt(Math.abs(f) * Math.max(Math.abs(f), block.magnitude()));
}

/**
 * Lines 3 to 6 of Algorithm 1: raise L until trial = v - grad / L decreases f by ||grad||^2 / (2 L).
 *
 * If the promised decrease drowns in round-off, no float can pass the test any more: then trial is v, and `stuck`.
 */
function backtrack(block, v, f, grad, L, eta1, trial) {
  const squared = sumOfSquares(grad), noise = roundOff(block, f);
  for (let values = 1; ; values++, L *= eta1) {
    for (let i = 0; i < v.length; i++) trial[i] = v[i] - grad[i] / L;
    const reached = block.value(trial);
    if (reached < f - squared / (2 * L)) return { f: reached, L, values, stuck: false };
    if (squared / (2 * L) <= noise) {
      trial.set(v);
      return { f, L, values, stuck: true };
    }
  }
}

/** What a figure sees: z, x, u, the objective, and why the run has ended ("running" if it has not). */
function report(objective, state, v, w) {
  return { ...state, ...objective.parts(v, w) };
}

/** Algorithm 1: gradient descent with backtracking, for `hard` and `reduced`. */
export function* algorithm1(objective, z0, settings = {}) {
  if (!objective.gradient) throw new Error(`Algorithm 1 solves hard and reduced, got ${objective.kind}`);
  const s = stepSettings(settings);
  expectVector("z0", z0, objective.d);
  const z = Float32Array.from(z0), trial = new Float32Array(z.length), grad = new Float32Array(z.length);
  let L = s.L0, values = 0, f = objective.value(z);
  let state = { iterations: 0, objective: f, values, status: s.maxIter > 0 ? "running" : "budget" };
  yield report(objective, state, z);
  for (let k = 1; state.status === "running"; k++) {
    f = objective.gradient(z, grad);
    const step = backtrack(objective, z, f, grad, L, s.eta1, trial);
    const done = hasConverged(s, squaredDistance(trial, z), sumOfSquares(trial), f, step.f);
    z.set(trial);
    L = step.L * s.eta0;
    values += step.values;
    const status = step.stuck ? "round-off" : done ? "converged" : k >= s.maxIter ? "budget" : "running";
    state = { iterations: k, objective: step.f, values, status };
    yield report(objective, state, z);
  }
}

/** Algorithm 2: a backtracking gradient step in z, then one in x, in turn; for `relaxed`. x0: G(z0) by default. */
export function* algorithm2(objective, z0, x0 = null, settings = {}) {
  if (!objective.inX) throw new Error(`Algorithm 2 solves relaxed, got ${objective.kind}`);
  const s = stepSettings(settings), { G } = objective;
  expectVector("z0", z0, objective.d);
  const z = Float32Array.from(z0), image = G.forward(z), x = x0 === null ? image.slice() : Float32Array.from(x0);
  expectVector("x0", x, objective.n);
  const zTrial = new Float32Array(z.length), xTrial = new Float32Array(x.length);
  const zGrad = new Float32Array(z.length), xGrad = new Float32Array(x.length);
  const inZ = objective.inZ(x), inX = objective.inX(image);
  let Lz = s.L0, Lx = s.L0, values = 0, f = inX.value(x) + objective.latentWeight * sumOfSquares(z);
  let state = { iterations: 0, objective: f, values, status: s.maxIter > 0 ? "running" : "budget" };
  yield report(objective, state, z, x);
  for (let k = 1; state.status === "running"; k++) {
    const stepZ = backtrack(inZ, z, inZ.gradient(z, zGrad), zGrad, Lz, s.eta1, zTrial);
    let change = squaredDistance(zTrial, z);
    z.set(zTrial);
    G.forward(z, image);
    const stepX = backtrack(inX, x, inX.gradient(x, xGrad), xGrad, Lx, s.eta1, xTrial);
    change += squaredDistance(xTrial, x);
    x.set(xTrial);
    const fNew = stepX.f + objective.latentWeight * sumOfSquares(z);
    const done = hasConverged(s, change, sumOfSquares(z) + sumOfSquares(x), f, fNew);
    f = fNew;
    Lz = stepZ.L * s.eta0;
    Lx = stepX.L * s.eta0;
    values += stepZ.values + 1; // G once more for the block of x
    const stuck = stepZ.stuck && stepX.stuck;
    const status = stuck ? "round-off" : done ? "converged" : k >= s.maxIter ? "budget" : "running";
    state = { iterations: k, objective: f, values, status };
    yield report(objective, state, z, x);
  }
}

/**
 * Lines 3 to 7 (or 8 to 11) of Algorithm 3 for one block: raise L until f lies below its quadratic model at
 * w = prox(v - grad / L), up to round-off. w holds the new variable.
 */
function proximalBacktrack(block, v, L, eta1, grad, w) {
  const f = block.gradient(v, grad), noise = roundOff(block, f);
  for (let values = 1; ; values++, L *= eta1) {
    for (let i = 0; i < v.length; i++) w[i] = v[i] - grad[i] / L;
    block.prox(w, 1 / L);
    let slope = 0;
    for (let i = 0; i < v.length; i++) slope += grad[i] * (w[i] - v[i]);
    const change = squaredDistance(w, v), reached = block.value(w);
    // a step that round-off swallows is none: take it, or L would rise for ever
    const none = change <= EPS * EPS * sumOfSquares(v);
    if (reached <= f + slope + 0.5 * L * change + noise || none) return { f: reached, L, values, change };
  }
}

/** Algorithm 3: PALM with backtracking, a proximal step in z, then one in u; for `sparse`. u0: 0 by default. */
export function* algorithm3(objective, z0, u0 = null, settings = {}) {
  if (!objective.inU) throw new Error(`Algorithm 3 solves sparse, got ${objective.kind}`);
  const s = stepSettings(settings), { G } = objective;
  expectVector("z0", z0, objective.d);
  const z = Float32Array.from(z0), u = u0 === null ? new Float32Array(objective.n) : Float32Array.from(u0);
  expectVector("u0", u, objective.n);
  const image = G.forward(z), zTrial = new Float32Array(z.length), uTrial = new Float32Array(u.length);
  const zGrad = new Float32Array(z.length), uGrad = new Float32Array(u.length);
  const inZ = objective.inZ(u), inU = objective.inU(image);
  let Lz = s.L0, Lu = s.L0, values = 0;
  let f = inU.value(u) + objective.penalty(u) + objective.latentWeight * sumOfSquares(z);
  let state = { iterations: 0, objective: f, values, status: s.maxIter > 0 ? "running" : "budget" };
  yield report(objective, state, z, u);
  for (let k = 1; state.status === "running"; k++) {
    const stepZ = proximalBacktrack(inZ, z, Lz, s.eta1, zGrad, zTrial);
    z.set(zTrial);
    G.forward(z, image);
    const stepU = proximalBacktrack(inU, u, Lu, s.eta1, uGrad, uTrial);
    u.set(uTrial);
    const fNew = stepU.f + objective.penalty(u) + objective.latentWeight * sumOfSquares(z);
    const done = hasConverged(s, stepZ.change + stepU.change, sumOfSquares(z) + sumOfSquares(u), f, fNew);
    f = fNew;
    Lz = stepZ.L * s.eta0;
    Lu = stepU.L * s.eta0;
    values += stepZ.values + 1; // G once more for the block of u
    state = { iterations: k, objective: f, values, status: done ? "converged" : k >= s.maxIter ? "budget" : "running" };
    yield report(objective, state, z, u);
  }
}

/**
 * -H grad, where H is made of the last steps s and changes y of the gradient, newest last. Where no curvature is known,
 * the step goes to where the tangent of f is 0.
 */
function quasiNewton(f, grad, pairs, out) {
  for (let i = 0; i < out.length; i++) out[i] = -grad[i];
  const add = (factor, v) => {
    for (let i = 0; i < out.length; i++) out[i] += factor * v[i];
  };
  const alphas = [];
  for (let k = pairs.length - 1; k >= 0; k--) {
    alphas[k] = pairs[k].rho * dot(pairs[k].s, out);
    add(-alphas[k], pairs[k].y);
  }
  const newest = pairs.at(-1);
  const first = Math.abs(f) / Math.max(sumOfSquares(grad), 1e-38);
  const scale = newest?.rho ? dot(newest.s, newest.y) / sumOfSquares(newest.y) : first;
  for (let i = 0; i < out.length; i++) out[i] *= scale;
  pairs.forEach(({ s, y, rho }, k) => add(alphas[k] - rho * dot(y, out), s));
}

/**
 * L-BFGS with an Armijo line search, for `hard` and `reduced`: the same minima as Algorithm 1, sooner. Stops when
 * old f - f <= tol |f| and the model, for which a pair has to be known, does not promise fifty times as much, or
 * that happens twice in a row.
 */
export function* lbfgs(objective, z0, { memory = 6, maxIter = 200, tol = 1e-5, ...unknown } = {}) {
  expectNone(unknown);
  if (!objective.gradient) throw new Error(`L-BFGS solves hard and reduced, got ${objective.kind}`);
  expectVector("z0", z0, objective.d);
  const z = Float32Array.from(z0), d = z.length, trial = new Float32Array(d), direction = new Float64Array(d);
  const grad = new Float32Array(d), newGrad = new Float32Array(d), pairs = [];
  let f = objective.gradient(z, grad), values = 1, calm = 0;
  let state = { iterations: 0, objective: f, values, status: maxIter > 0 ? "running" : "budget" };
  yield report(objective, state, z);
  for (let k = 1; state.status === "running"; k++) {
    quasiNewton(f, grad, pairs, direction);
    let slope = dot(direction, grad);
    if (!(slope < 0)) {
      for (let i = 0; i < d; i++) direction[i] = -grad[i];
      slope = -sumOfSquares(grad);
    }
    const noise = roundOff(objective, f);
    let t = 1, reached, stuck = false;
    for (;;) { // shorten the step until f falls by 1e-4 of what the slope promises; parabolas tell by how much
      for (let i = 0; i < d; i++) trial[i] = z[i] + t * direction[i];
      reached = objective.gradient(trial, newGrad);
      values++;
      if (reached <= f + 1e-4 * t * slope) break;
      if (-t * slope <= noise) {
        stuck = true;
        break;
      }
      const best = (-t * t * slope) / (2 * (reached - f - t * slope));
      t = Math.min(0.5 * t, Math.max(0.1 * t, Number.isFinite(best) ? best : 0));
    }
    const fOld = f, known = (pairs.at(-1)?.rho ?? 0) > 0;
    // a direction of the model may lead nowhere where the steepest one still does: forget the model and look again
    const again = stuck && pairs.some((pair) => pair.rho > 0);
    if (again) pairs.length = 0;
    if (-slope <= noise && !again) stuck = true;
    if (!stuck) {
      const s = trial.map((value, i) => value - z[i]), y = newGrad.map((value, i) => value - grad[i]), sy = dot(s, y);
      const good = sy > 1e-10 * Math.sqrt(sumOfSquares(s) * sumOfSquares(y));
      pairs.push({ s, y, rho: good ? 1 / sy : 0 });
      if (pairs.length > memory) pairs.shift();
      z.set(trial);
      grad.set(newGrad);
      f = reached;
    }
    const small = fOld - f <= tol * Math.abs(f);
    calm = small ? calm + 1 : 0;
    const done = small && known && (-slope <= 100 * tol * Math.abs(fOld) || calm > 1);
    const status = stuck && !again ? "round-off" : done && !stuck ? "converged" : k >= maxIter ? "budget" : "running";
    state = { iterations: k, objective: f, values, status };
    yield report(objective, state, z);
  }
}

/** Runs a solver to its end; the last state. */
export function finish(run) {
  let last;
  for (const state of run) last = state;
  return last;
}
