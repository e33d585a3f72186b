/**
 * Learned reconstruction from tomographic data: a U-Net behind filtered back-projection, learned proximal gradient
 * (that with memory images may be equivariant), learned primal-dual.
 *
 *     const network = reconstructor(spec, decodeFloat16(bytes), A);
 *     for (const { x, iterations } of network(y)) ...
 */

import { stack, weightReader } from "./generator.js";
import { fbp } from "./rays.js";
import { expectVector } from "./check.js";

/** Images one behind the other: channels of the first, then of the second, ... */
function beside(...parts) {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
}

/** The largest of each 2 x 2 pixels: (channels, H, W) -> (channels, H / 2, W / 2). */
function pooled(x, [channels, H, W]) {
  const h = H / 2, w = W / 2, out = new Float32Array(channels * h * w);
  for (let c = 0, i = 0; c < channels; c++) {
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++, i++) {
        const k = (c * H + 2 * row) * W + 2 * column;
        out[i] = Math.max(x[k], x[k + 1], x[k + W], x[k + W + 1]);
      }
    }
  }
  return out;
}

/** A U-Net as a list of actions, so that its caller can draw breath between them. */
function unet({ down, up, merge, last }, size, take) {
  let shape = [1, size, size];
  const descent = down.map((list, level) => {
    if (level > 0) shape = [shape[0], shape[1] / 2, shape[2] / 2];
    const block = stack(list, shape, take);
    shape = block.shape;
    return block;
  });
  const ascent = up.map((layer, k) => {
    const skipped = descent[descent.length - 2 - k].shape, upward = stack([layer], shape, take);
    if (`${upward.shape}` !== `${skipped}`) throw new Error(`up to ${upward.shape} beside ${skipped}`);
    const block = stack(merge[k], [2 * skipped[0], skipped[1], skipped[2]], take);
    shape = block.shape;
    return { upward, block };
  });
  const ending = stack([last], shape, take);
  return function* (image) {
    const seen = [];
    let x = Float32Array.from(image);
    for (const [level, block] of descent.entries()) {
      x = block.forward(level === 0 ? x : pooled(x, descent[level - 1].shape));
      seen.push(x);
      yield null;
    }
    for (const [k, { upward, block }] of ascent.entries()) {
      x = block.forward(beside(seen[seen.length - 2 - k], upward.forward(x)));
      yield null;
    }
    yield ending.forward(x);
  };
}

// Family -> (spec, A, take) -> a generator function y -> states. A state holds the latest image.
const FAMILIES = {
  /** x = F y + U(F y), F being filtered back-projection with the Hann window. */
  "post-processing"(spec, A, take) {
    const correction = unet(spec, A.size, take);
    return function* (y) {
      const first = fbp(A, y, 1);
      let now = { x: first, iterations: 0 };
      yield now;
      for (const added of correction(first)) {
        if (added !== null) now = { x: first.map((value, i) => value + added[i]), iterations: 1 };
        yield now;
      }
    };
  },

  /** v = x - tau A^T (A x - y), x = v + c(v), each step with a tau and a c of its own. */
  "learned proximal gradient"({ steps }, A, take) {
    const parts = steps.map(({ tau, layers }) => ({ tau, c: stack(layers, [1, A.size, A.size], take) }));
    return function* (y) {
      let x = new Float32Array(A.n);
      yield { x, iterations: 0 };
      for (const [k, { tau, c }] of parts.entries()) {
        const gradient = A.adjoint(A.forward(x).map((value, i) => value - y[i]));
        const v = x.map((value, i) => value - tau * gradient[i]), added = c.forward(Float32Array.from(v));
        x = v.map((value, i) => value + added[i]);
        yield { x, iterations: k + 1 };
      }
    };
  },

  /** (x, s) += layers(x, A^T (A x - y), s), s being `memory` images. */
  "equivariant proximal gradient"({ memory, steps }, A, take) {
    const parts = steps.map(layers => stack(layers, [memory + 2, A.size, A.size], take));
    return function* (y) {
      const state = new Float32Array((1 + memory) * A.n), x = state.subarray(0, A.n);
      yield { x: x.slice(), iterations: 0 };
      for (const [k, part] of parts.entries()) {
        const gradient = A.adjoint(A.forward(x).map((value, i) => value - y[i]));
        const change = part.forward(beside(x, gradient, state.subarray(A.n)));
        for (let i = 0; i < state.length; i++) state[i] += change[i];
        yield { x: x.slice(), iterations: k + 1 };
      }
    };
  },

  /** h += dual(h, A f_2, y), f += primal(f, A^T h_1): `memory` images f and data sets h; the answer is f_1. */
  "learned primal-dual"({ memory, steps }, A, take) {
    // all networks on data come before those on images, as in torch
    const data = [memory + 2, A.views, A.bins], image = [memory + 1, A.size, A.size];
    const duals = steps.map(({ dual }) => stack(dual, data, take));
    const primals = steps.map(({ primal }) => stack(primal, image, take));
    const second = Math.min(1, memory - 1) * A.n;
    return function* (y) {
      const f = new Float32Array(memory * A.n), h = new Float32Array(memory * A.m);
      yield { x: f.slice(0, A.n), iterations: 0 };
      for (let k = 0; k < steps.length; k++) {
        const forDual = duals[k].forward(beside(h, A.forward(f.subarray(second, second + A.n)), y));
        for (let i = 0; i < h.length; i++) h[i] += forDual[i];
        const forPrimal = primals[k].forward(beside(f, A.adjoint(h.subarray(0, A.m))));
        for (let i = 0; i < f.length; i++) f[i] += forPrimal[i];
        yield { x: f.slice(0, A.n), iterations: k + 1 };
      }
    };
  },
};

/**
 * spec: as `course_utils.live.reconstructor_spec` writes it; A: of `parallelBeam`, for images of the size of the
 * training; other numbers of views are taken. The function that is returned gives { x, iterations } after each step.
 */
export function reconstructor(spec, weights, A) {
  if (!Object.hasOwn(FAMILIES, spec.family)) {
    throw new Error(`'family' is "${spec.family}"; known are ${Object.keys(FAMILIES).join(", ")}`);
  }
  if (A.size !== spec.size) throw new Error(`the network takes images of side ${spec.size}, A those of side ${A.size}`);
  const { take, end } = weightReader(weights), run = FAMILIES[spec.family](spec, A, take);
  end();
  return function* (y) {
    expectVector("y", y, A.m);
    yield* run(y);
  };
}
