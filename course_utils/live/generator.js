/**
 * A generator G with its derivative, from the list of its layers and its weights.
 *
 *     const G = generator(spec, decodeFloat16(bytes));
 */

import { multiply, transpose } from "./linear.js";
import { expectLength } from "./check.js";

/**
 * Windows of kernel x kernel pixels that slide over a large image (channels, H, W) in steps of `stride`; there are
 * h x w of them. `gather` copies each window to a column, `scatter` adds each column back to its window. One is the
 * adjoint of the other, and that is why the adjoint of a convolution is a transposed convolution.
 */
function windows(channels, H, W, h, w, { kernel, stride, padding }) {
  let table = null; // worked out once, when it is needed first: the loops below then have nothing to decide
  const listed = () => {
    const runs = []; // three numbers each: first entry in the columns, length, first pixel; pixels lie `stride` apart
    for (let c = 0, row = 0; c < channels; c++) {
      for (let ky = 0; ky < kernel; ky++) {
        for (let kx = 0; kx < kernel; kx++, row += h * w) {
          for (let y = 0; y < h; y++) {
            const Y = y * stride - padding + ky;
            if (Y < 0 || Y >= H) continue;
            const x0 = Math.max(0, Math.ceil((padding - kx) / stride));
            const x1 = Math.min(w - 1, Math.floor((W - 1 + padding - kx) / stride));
            if (x1 >= x0) runs.push(row + y * w + x0, x1 - x0 + 1, (c * H + Y) * W + x0 * stride - padding + kx);
          }
        }
      }
    }
    return Int32Array.from(runs);
  };

  return {
    size: channels * kernel * kernel,
    gather(image, columns) {
      table ??= listed();
      columns.fill(0); // entries of windows that hang over the border
      for (let r = 0; r < table.length; r += 3) {
        const to = table[r], count = table[r + 1], from = table[r + 2];
        for (let i = 0; i < count; i++) columns[to + i] = image[from + i * stride];
      }
    },
    scatter(columns, image) {
      table ??= listed();
      for (let r = 0; r < table.length; r += 3) {
        const from = table[r], count = table[r + 1], to = table[r + 2];
        for (let i = 0; i < count; i++) image[to + i * stride] += columns[from + i];
      }
    },
  };
}

let columnsOfAll = new Float32Array(0);
/** n numbers for one call: columns are the greatest part of what layers need, and no layer needs them for long. */
function lent(n) {
  if (columnsOfAll.length < n) columnsOfAll = new Float32Array(n);
  return columnsOfAll.subarray(0, n);
}

/**
 * out = W * x + bias with kernels of 3 x 3, H x width pixels out: three times as fast as by columns, which are nine
 * times as large as x. As in `multiply`, two channels and four pixels go together; the border of zeros is wide enough
 * for the last four. With padding 0, x brings its own border.
 */
function slide3(x, W, bias, out, inChannels, outChannels, H, width, padding) {
  const S = 4 * Math.ceil(width / 4) + 2, plane = (H + 2) * S, n = H * width, x0 = lent(inChannels * plane).fill(0);
  const rows = H + 2 - 2 * padding, length = width + 2 - 2 * padding;
  for (let c = 0, row = 0; c < inChannels; c++) {
    for (let y = 0; y < rows; y++, row += length) {
      x0.set(x.subarray(row, row + length), c * plane + (y + padding) * S + padding);
    }
  }
  for (let c = 0; c < outChannels; c += 2) {
    const d = Math.min(c + 1, outChannels - 1); // an odd last channel is computed twice
    for (let y = 0; y < H; y++) {
      for (let i = 0; i < width; i += 4) {
        let s0 = bias[c], s1 = s0, s2 = s0, s3 = s0, t0 = bias[d], t1 = t0, t2 = t0, t3 = t0;
        let k = c * inChannels * 9, l = d * inChannels * 9;
        for (let a = 0; a < inChannels; a++) {
          for (let ky = 0, p = a * plane + y * S + i; ky < 3; ky++, p += S, k += 3, l += 3) {
            const p0 = x0[p], p1 = x0[p + 1], p2 = x0[p + 2], p3 = x0[p + 3], p4 = x0[p + 4], p5 = x0[p + 5];
            const k0 = W[k], k1 = W[k + 1], k2 = W[k + 2], l0 = W[l], l1 = W[l + 1], l2 = W[l + 2];
            s0 += k0 * p0 + k1 * p1 + k2 * p2; s1 += k0 * p1 + k1 * p2 + k2 * p3;
            s2 += k0 * p2 + k1 * p3 + k2 * p4; s3 += k0 * p3 + k1 * p4 + k2 * p5;
            t0 += l0 * p0 + l1 * p1 + l2 * p2; t1 += l0 * p1 + l1 * p2 + l2 * p3;
            t2 += l0 * p2 + l1 * p3 + l2 * p4; t3 += l0 * p3 + l1 * p4 + l2 * p5;
          }
        }
        const left = width - i, o = c * n + y * width + i, q = d * n + y * width + i;
        out[o] = s0; out[q] = t0;
        if (left > 1) { out[o + 1] = s1; out[q + 1] = t1; }
        if (left > 2) { out[o + 2] = s2; out[q + 2] = t2; }
        if (left > 3) { out[o + 3] = s3; out[q + 3] = t3; }
      }
    }
  }
  return out;
}

/**
 * Layers by name: make(layer, shape, take) -> { shape, forward(x), vjp(g) }.
 *
 * shape is [channels, height, width] of the input, then of the output. take(n) gives the next n weights, in the order
 * and layout of torch. Each layer owns its output buffers. The weights are frozen, so that a linear layer need not
 * remember its input, and an activation may write over its own.
 */
const LAYERS = {
  linear({ inputs, outputs }, shape, take) {
    const W = take(outputs * inputs), bias = take(outputs), WT = transpose(W, outputs, inputs);
    const out = new Float32Array(outputs), back = new Float32Array(inputs);
    return {
      inputs,
      shape: [outputs, 1, 1],
      forward(x) {
        multiply(W, x, out, outputs, inputs, 1);
        for (let i = 0; i < outputs; i++) out[i] += bias[i];
        return out;
      },
      vjp: (g) => multiply(WT, g, back, inputs, outputs, 1),
    };
  },

  leakyRelu({ slope }, shape) {
    const [channels, height, width] = shape;
    const size = channels * height * width;
    let kept; // the output; its sign is that of the input
    return {
      inputs: size,
      shape,
      forward(x) {
        for (let i = 0; i < size; i++) if (!(x[i] > 0)) x[i] *= slope;
        kept = x;
        return x;
      },
      vjp(g) {
        for (let i = 0; i < size; i++) if (!(kept[i] > 0)) g[i] *= slope;
        return g;
      },
    };
  },

  unflatten({ channels, height, width }) {
    return { inputs: channels * height * width, shape: [channels, height, width], forward: (x) => x, vjp: (g) => g };
  },

  /** out = scatter(W^T x) + bias. Its derivative transposed is a convolution: W gather(g). */
  convTranspose(layer, [, h, w], take) {
    const { inChannels, outChannels, kernel, stride, padding } = layer;
    const H = (h - 1) * stride - 2 * padding + kernel, Wd = (w - 1) * stride - 2 * padding + kernel;
    const view = windows(outChannels, H, Wd, h, w, layer);
    const W = take(inChannels * view.size), bias = take(outChannels), WT = transpose(W, inChannels, view.size);
    const number = view.size * h * w;
    const out = new Float32Array(outChannels * H * Wd), back = new Float32Array(inChannels * h * w);
    return {
      inputs: inChannels * h * w,
      shape: [outChannels, H, Wd],
      forward(x) {
        const columns = multiply(WT, x, lent(number), view.size, inChannels, h * w);
        for (let c = 0; c < outChannels; c++) out.fill(bias[c], c * H * Wd, (c + 1) * H * Wd);
        view.scatter(columns, out);
        return out;
      },
      vjp(g) {
        const gathered = lent(number);
        view.gather(g, gathered);
        return multiply(W, gathered, back, inChannels, view.size, h * w);
      },
    };
  },

  /** out = W gather(x) + bias. Its derivative transposed is a transposed convolution: scatter(W^T g). */
  conv(layer, [, H, Wd], take) {
    const { inChannels, outChannels, kernel, stride, padding } = layer;
    const h = Math.floor((H + 2 * padding - kernel) / stride) + 1;
    const w = Math.floor((Wd + 2 * padding - kernel) / stride) + 1;
    const view = windows(inChannels, H, Wd, h, w, layer);
    const W = take(outChannels * view.size), bias = take(outChannels), WT = transpose(W, outChannels, view.size);
    const number = view.size * h * w;
    const out = new Float32Array(outChannels * h * w), back = new Float32Array(inChannels * H * Wd);
    return {
      inputs: inChannels * H * Wd,
      shape: [outChannels, h, w],
      forward(x) {
        if (kernel === 3 && stride === 1 && padding <= 1) {
          return slide3(x, W, bias, out, inChannels, outChannels, h, w, padding);
        }
        const gathered = lent(number);
        view.gather(x, gathered);
        multiply(W, gathered, out, outChannels, view.size, h * w);
        for (let c = 0, i = 0; c < outChannels; c++) for (let j = 0; j < h * w; j++, i++) out[i] += bias[c];
        return out;
      },
      vjp(g) {
        const columns = multiply(WT, g, lent(number), view.size, outChannels, h * w);
        back.fill(0);
        view.scatter(columns, back);
        return back;
      },
    };
  },

  /** A border of pixels that repeat the nearest one of the image; its derivative transposed adds them to that one. */
  replicationPad({ padding }, [channels, H, W]) {
    const h = H + 2 * padding, w = W + 2 * padding, inputs = channels * H * W;
    const inside = (k, n) => Math.min(n - 1, Math.max(0, k - padding)), from = new Int32Array(channels * h * w);
    for (let c = 0, i = 0; c < channels; c++) {
      for (let row = 0; row < h; row++) {
        for (let column = 0; column < w; column++, i++) from[i] = (c * H + inside(row, H)) * W + inside(column, W);
      }
    }
    const out = new Float32Array(from.length), back = new Float32Array(inputs);
    return {
      inputs,
      shape: [channels, h, w],
      forward(x) {
        for (let i = 0; i < from.length; i++) out[i] = x[from[i]];
        return out;
      },
      vjp(g) {
        back.fill(0);
        for (let i = 0; i < from.length; i++) back[from[i]] += g[i];
        return back;
      },
    };
  },

  /** x + f(x), f a stack of layers. */
  residual({ layers }, shape, take) {
    const f = stack(layers, shape, take), size = shape.reduce((a, b) => a * b);
    if (`${f.shape}` !== `${shape}`) throw new Error(`a residual block makes ${f.shape} of ${shape}`);
    const kept = new Float32Array(size); // the layers may write over what they are given
    const sum = (part) => {
      for (let i = 0; i < size; i++) kept[i] += part[i];
      return kept;
    };
    return {
      inputs: size,
      shape,
      forward(x) {
        kept.set(x);
        return sum(f.forward(x));
      },
      vjp(g) {
        kept.set(g);
        return sum(f.vjp(g));
      },
    };
  },
};

/** take(n): the next n of the weights, as a copy; end(): all must have been taken by now, neither more nor less. */
export function weightReader(weights) {
  if (!(weights instanceof Float32Array)) throw new Error("the weights must be a Float32Array, see decodeFloat16");
  for (const value of weights) if (!Number.isFinite(value)) throw new Error(`the weights hold ${value}`);
  let used = 0;
  return {
    take(n) {
      used += n;
      // of full length, so that what is missing is told once, at the end, and not by each layer
      const part = new Float32Array(n);
      part.set(weights.subarray(used - n, used));
      return part;
    },
    end() {
      if (used !== weights.length) throw new Error(`the layers have ${used} weights, got ${weights.length}`);
    },
  };
}

/**
 * Layers one after the other, from their list. shape: [channels, height, width] of the input, and of the output in what
 * is returned. forward and vjp may write over what they are given; what they return is overwritten by the next call.
 */
export function stack(list, shape, take) {
  const layers = list.map((layer, i) => {
    if (!Object.hasOwn(LAYERS, layer.type)) {
      throw new Error(`layer ${i} is "${layer.type}"; known are ${Object.keys(LAYERS).join(", ")}`);
    }
    const size = shape.reduce((a, b) => a * b);
    const made = LAYERS[layer.type](layer, shape, take);
    if (made.inputs !== size) throw new Error(`layer ${i} (${layer.type}) takes ${made.inputs} numbers, gets ${size}`);
    shape = made.shape;
    return made;
  });
  return {
    shape,
    forward: start => layers.reduce((x, layer) => layer.forward(x), start),
    vjp: end => layers.reduceRight((v, layer) => layer.vjp(v), end),
  };
}

/**
 * A generator G from its list of layers and its weights.
 *
 * spec: { d, height, width, layers: [{ type, ... }] }, as `course_utils.live.generator_spec` writes it.
 * forward(z): the image G(z); vjp(g): the gradient in z of <g, G(z)>, at the z of the last forward. Both write into
 * their second argument if there is one.
 */
export function generator(spec, weights) {
  if (!spec || !Array.isArray(spec.layers)) throw new Error("a generator needs a list of layers");
  const { d, height, width } = spec, { take, end } = weightReader(weights);
  const decoder = stack(spec.layers, [d, 1, 1], take);
  end();
  if (`${decoder.shape}` !== `1,${height},${width}`) {
    throw new Error(`the layers make ${decoder.shape}, not 1,${height},${width}`);
  }

  const input = new Float32Array(d).fill(NaN), image = new Float32Array(height * width);
  const z0 = new Float32Array(d), g0 = new Float32Array(height * width); // layers may write over what they are given
  return {
    d, height, width,
    forward(z, out = new Float32Array(image.length)) {
      expectLength("z", z, d);
      if (input.some((value, i) => value !== z[i])) { // solvers often ask twice for the same z
        input.set(z);
        z0.set(z);
        image.set(decoder.forward(z0));
      }
      out.set(image);
      return out;
    },
    vjp(g, out = new Float32Array(d)) {
      expectLength("g", g, image.length);
      if (Number.isNaN(input[0])) throw new Error("vjp belongs to the last forward, and there was none");
      g0.set(g);
      out.set(decoder.vjp(g0));
      return out;
    },
  };
}
