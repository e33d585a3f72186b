/**
 * What the algorithms minimise. The data term is ||A x - y||^2, a sum without factor 1/2.
 *
 * An algorithm needs this of a smooth function of one block of variables: value(v); gradient(v, out), which returns
 * the value too; magnitude(), the squared norm of the data from whose difference the value comes, which tells the
 * size of round-off.
 */

import { sumOfSquares, squaredDistance } from "./linear.js";
import { expectVector, expectWeight } from "./check.js";

export function checkProblem(G, A, y) {
  if (G.height * G.width !== A.n) throw new Error(`G makes ${G.height * G.width} pixels, A takes ${A.n}`);
  expectVector("y", y, A.m);
}

/** ||A G(z) - y||^2 + lam ||z||^2 in z, eq. (3). */
export function hard(G, A, y, lam) {
  checkProblem(G, A, y);
  expectWeight("lam", lam);
  const x = new Float32Array(A.n), r = new Float32Array(A.m), back = new Float32Array(A.n), size = sumOfSquares(y);
  const block = {
    value(z) {
      A.forward(G.forward(z, x), r);
      for (let i = 0; i < r.length; i++) r[i] -= y[i];
      return sumOfSquares(r) + lam * sumOfSquares(z);
    },
    gradient(z, out) {
      const f = block.value(z);
      G.vjp(A.adjoint(r, back), out);
      for (let i = 0; i < out.length; i++) out[i] = 2 * (out[i] + lam * z[i]);
      return f;
    },
    magnitude: () => size,
  };
  return {
    ...block,
    kind: "hard",
    d: G.d,
    start: block.value,
    parts: (z) => ({ z: z.slice(), x: G.forward(z), u: new Float32Array(A.n) }),
  };
}

/** ||A x - y||^2 + lam (||G(z) - x||^2 + mu ||z||^2) in z and x. */
export function relaxed(G, A, y, lam, mu) {
  checkProblem(G, A, y);
  expectWeight("lam", lam);
  expectWeight("mu", mu);
  const g = new Float32Array(A.n), r = new Float32Array(A.m), back = new Float32Array(A.n), size = sumOfSquares(y);

  function inZ(x) { // lam ||G(z) - x||^2 + lam mu ||z||^2
    const block = {
      value(z) {
        return lam * squaredDistance(G.forward(z, g), x) + lam * mu * sumOfSquares(z);
      },
      gradient(z, out) {
        const f = block.value(z);
        for (let i = 0; i < g.length; i++) back[i] = g[i] - x[i];
        G.vjp(back, out);
        for (let i = 0; i < out.length; i++) out[i] = 2 * lam * (out[i] + mu * z[i]);
        return f;
      },
      magnitude: () => lam * sumOfSquares(x),
    };
    return block;
  }

  function inX(image) { // ||A x - y||^2 + lam ||image - x||^2, where image = G(z) is fixed
    const block = {
      value(x) {
        A.forward(x, r);
        for (let i = 0; i < r.length; i++) r[i] -= y[i];
        return sumOfSquares(r) + lam * squaredDistance(image, x);
      },
      gradient(x, out) {
        const f = block.value(x);
        A.adjoint(r, out);
        for (let i = 0; i < out.length; i++) out[i] = 2 * (out[i] + lam * (x[i] - image[i]));
        return f;
      },
      magnitude: () => size,
    };
    return block;
  }

  return {
    kind: "relaxed",
    d: G.d,
    n: A.n,
    inZ,
    inX,
    G,
    latentWeight: lam * mu,
    start: hard(G, A, y, lam * mu).value, // x = G(z)
    parts(z, x) {
      const u = G.forward(z);
      for (let i = 0; i < u.length; i++) u[i] = x[i] - u[i];
      return { z: z.slice(), x: x.slice(), u };
    },
  };
}

/** ||A (G(z) + u) - y||^2 + lam (||u||_1 + mu ||z||^2) in z and u. */
export function sparse(G, A, y, lam, mu) {
  checkProblem(G, A, y);
  expectWeight("lam", lam);
  expectWeight("mu", mu);
  const x = new Float32Array(A.n), r = new Float32Array(A.m), back = new Float32Array(A.n), size = sumOfSquares(y);

  function misfit(g, u) { // ||A (g + u) - y||^2
    for (let i = 0; i < x.length; i++) x[i] = g[i] + u[i];
    A.forward(x, r);
    for (let i = 0; i < r.length; i++) r[i] -= y[i];
    return sumOfSquares(r);
  }

  function inZ(u) {
    const g = new Float32Array(A.n);
    const block = {
      value: (z) => misfit(G.forward(z, g), u),
      gradient(z, out) {
        const f = block.value(z);
        G.vjp(A.adjoint(r, back), out);
        for (let i = 0; i < out.length; i++) out[i] *= 2;
        return f;
      },
      magnitude: () => size,
      prox(z, tau) {
        for (let i = 0; i < z.length; i++) z[i] /= 1 + 2 * tau * lam * mu;
      },
    };
    return block;
  }

  function inU(g) {
    const block = {
      value: (u) => misfit(g, u),
      gradient(u, out) {
        const f = block.value(u);
        A.adjoint(r, out);
        for (let i = 0; i < out.length; i++) out[i] *= 2;
        return f;
      },
      magnitude: () => size,
      prox(u, tau) { // soft thresholding
        const threshold = tau * lam;
        for (let i = 0; i < u.length; i++) u[i] -= Math.max(-threshold, Math.min(threshold, u[i]));
      },
    };
    return block;
  }

  return {
    kind: "sparse",
    d: G.d,
    n: A.n,
    inZ,
    inU,
    G,
    latentWeight: lam * mu,
    penalty(u) {
      let sum = 0;
      for (let i = 0; i < u.length; i++) sum += Math.abs(u[i]);
      return lam * sum;
    },
    start: hard(G, A, y, lam * mu).value, // u = 0
    parts(z, u) {
      const image = G.forward(z);
      for (let i = 0; i < image.length; i++) image[i] += u[i];
      return { z: z.slice(), x: image, u: u.slice() };
    },
  };
}

/** Of several latent vectors the one with the least objective (at x = G(z), or u = 0): where to start. */
export function bestStart(objective, candidates) {
  let best = null, least = Infinity;
  for (const z of candidates) {
    const f = objective.start(z);
    if (f < least) [best, least] = [z, f];
  }
  if (best === null) throw new Error("no candidate has a finite objective");
  return best;
}
