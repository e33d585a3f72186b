/**
 * The figures' engine: a generator G with its derivative, forward operators, and the algorithms of the paper.
 *
 * One file, no imports. Images are Float32Arrays in reading order, grey values in [0, 1]. The data term is
 * ||A x - y||^2, a sum without factor 1/2, and every operator has norm 1, as everywhere in the course.
 *
 * Solvers are generator functions: they yield a state after every iteration, so that a figure can draw it, pause,
 * or leave. Each state owns its arrays.
 *
 *     const G = generator(spec, decodeFloat16(bytes));
 *     const A = gaussianMatrix(150, 784, 0);
 *     const last = finish(algorithm1(hard(G, A, y, 0.01), z0, { maxIter: 200 }));
 */

const EPS = 2 ** -23; // round-off of float32, in which everything is stored

// ---------------------------------------------------------------- small linear algebra

export function sumOfSquares(v) {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i] * v[i];
  return sum;
}

function squaredDistance(v, w) {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += (v[i] - w[i]) * (v[i] - w[i]);
  return sum;
}

function dot(v, w) {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i] * w[i];
  return sum;
}

/**
 * C = A B for matrices in reading order: A (rows, inner), B (inner, columns).
 *
 * All time is spent here. Two rows and four columns go together: eight sums that do not wait for each other, and six
 * loads for eight products. An odd last row is computed twice, which is cheaper than a special case.
 */
function multiply(A, B, C, rows, inner, columns) {
  for (let i = 0; i < rows; i += 2) {
    const c0 = i * columns, c1 = Math.min(i + 1, rows - 1) * columns;
    const a0 = i * inner, a1 = Math.min(i + 1, rows - 1) * inner;
    let j = 0;
    for (; j + 3 < columns; j += 4) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let k = 0, b = j; k < inner; k++, b += columns) {
        const s = A[a0 + k], t = A[a1 + k], b0 = B[b], b1 = B[b + 1], b2 = B[b + 2], b3 = B[b + 3];
        s0 += s * b0; s1 += s * b1; s2 += s * b2; s3 += s * b3;
        t0 += t * b0; t1 += t * b1; t2 += t * b2; t3 += t * b3;
      }
      C[c0 + j] = s0; C[c0 + j + 1] = s1; C[c0 + j + 2] = s2; C[c0 + j + 3] = s3;
      C[c1 + j] = t0; C[c1 + j + 1] = t1; C[c1 + j + 2] = t2; C[c1 + j + 3] = t3;
    }
    for (; j < columns; j++) {
      let s = 0, t = 0;
      for (let k = 0, b = j; k < inner; k++, b += columns) {
        s += A[a0 + k] * B[b];
        t += A[a1 + k] * B[b];
      }
      C[c0 + j] = s;
      C[c1 + j] = t;
    }
  }
  return C;
}

function transpose(A, rows, columns) {
  const T = new Float32Array(A.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) T[j * rows + i] = A[i * columns + j];
  return T;
}

function expectLength(name, v, length) {
  if (v?.length !== length) throw new Error(`'${name}' must have ${length} entries, got ${v?.length ?? typeof v}`);
}

/** `length` finite numbers: a NaN would pass through every comparison below and never end. */
function expectVector(name, v, length) {
  expectLength(name, v, length);
  for (const value of v) if (!Number.isFinite(value)) throw new Error(`'${name}' holds ${value}`);
}

/** What a solver was given beside its own settings: a misspelt name should not be passed over in silence. */
function expectNone(unknown) {
  for (const name of Object.keys(unknown)) throw new Error(`unknown setting '${name}'`);
}

function expectWeight(name, value) {
  if (!(value >= 0 && value < Infinity)) throw new Error(`'${name}' must be a number >= 0, got ${value}`);
}

// ---------------------------------------------------------------- the generator

/** Half precision, two bytes a number, low byte first -> Float32Array. */
export function decodeFloat16(buffer) {
  const bytes = buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer);
  if (bytes.length % 2) throw new Error(`float16 weights must have an even number of bytes, got ${bytes.length}`);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const high = bytes[2 * i + 1], fraction = bytes[2 * i] | ((high & 3) << 8), exponent = (high >> 2) & 31;
    let size;
    if (exponent === 0) size = fraction * 2 ** -24;
    else if (exponent === 31) size = fraction ? NaN : Infinity;
    else size = (1024 + fraction) * 2 ** (exponent - 25);
    values[i] = high & 128 ? -size : size;
  }
  return values;
}

/**
 * Windows of kernel x kernel pixels that slide over a large image (channels, H, W) in steps of `stride`; there are
 * h x w of them. `gather` copies each window to a column, `scatter` adds each column back to its window. One is the
 * adjoint of the other, and that is why the adjoint of a convolution is a transposed convolution.
 */
function windows(channels, H, W, h, w, { kernel, stride, padding }) {
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
  const table = Int32Array.from(runs); // worked out once: the loops below then have nothing to decide

  return {
    size: channels * kernel * kernel,
    gather(image, columns) { // entries of windows that hang over the border stay 0
      for (let r = 0; r < table.length; r += 3) {
        const to = table[r], count = table[r + 1], from = table[r + 2];
        for (let i = 0; i < count; i++) columns[to + i] = image[from + i * stride];
      }
    },
    scatter(columns, image) {
      for (let r = 0; r < table.length; r += 3) {
        const from = table[r], count = table[r + 1], to = table[r + 2];
        for (let i = 0; i < count; i++) image[to + i * stride] += columns[from + i];
      }
    },
  };
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
    const columns = new Float32Array(view.size * h * w), gathered = new Float32Array(view.size * h * w);
    const out = new Float32Array(outChannels * H * Wd), back = new Float32Array(inChannels * h * w);
    return {
      inputs: inChannels * h * w,
      shape: [outChannels, H, Wd],
      forward(x) {
        multiply(WT, x, columns, view.size, inChannels, h * w);
        for (let c = 0; c < outChannels; c++) out.fill(bias[c], c * H * Wd, (c + 1) * H * Wd);
        view.scatter(columns, out);
        return out;
      },
      vjp(g) {
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
    const columns = new Float32Array(view.size * h * w), gathered = new Float32Array(view.size * h * w);
    const out = new Float32Array(outChannels * h * w), back = new Float32Array(inChannels * H * Wd);
    return {
      inputs: inChannels * H * Wd,
      shape: [outChannels, h, w],
      forward(x) {
        view.gather(x, gathered);
        multiply(W, gathered, out, outChannels, view.size, h * w);
        for (let c = 0, i = 0; c < outChannels; c++) for (let j = 0; j < h * w; j++, i++) out[i] += bias[c];
        return out;
      },
      vjp(g) {
        multiply(WT, g, columns, view.size, outChannels, h * w);
        back.fill(0);
        view.scatter(columns, back);
        return back;
      },
    };
  },
};

/**
 * A generator G from its list of layers and its weights.
 *
 * spec: { d, height, width, layers: [{ type, ... }] }, as `course_utils.live.generator_spec` writes it.
 * forward(z): the image G(z); vjp(g): the gradient in z of <g, G(z)>, at the z of the last forward. Both write into
 * their second argument if there is one.
 */
export function generator(spec, weights) {
  if (!spec || !Array.isArray(spec.layers)) throw new Error("a generator needs a list of layers");
  const { d, height, width } = spec;
  if (!(weights instanceof Float32Array)) throw new Error("the weights must be a Float32Array, see decodeFloat16");
  for (const value of weights) if (!Number.isFinite(value)) throw new Error(`the weights hold ${value}`);
  let used = 0, shape = [d, 1, 1];
  const take = (n) => {
    used += n;
    // a copy of full length, so that what is missing is told once, below, and not by each layer
    const part = new Float32Array(n);
    part.set(weights.subarray(used - n, used));
    return part;
  };
  const layers = spec.layers.map((layer, i) => {
    if (!Object.hasOwn(LAYERS, layer.type)) {
      throw new Error(`layer ${i} is "${layer.type}"; known are ${Object.keys(LAYERS).join(", ")}`);
    }
    const size = shape.reduce((a, b) => a * b);
    const made = LAYERS[layer.type](layer, shape, take);
    if (made.inputs !== size) throw new Error(`layer ${i} (${layer.type}) takes ${made.inputs} numbers, gets ${size}`);
    shape = made.shape;
    return made;
  });
  if (used !== weights.length) throw new Error(`the layers have ${used} weights, got ${weights.length}`);
  if (`${shape}` !== `1,${height},${width}`) throw new Error(`the layers make ${shape}, not 1,${height},${width}`);

  const input = new Float32Array(d).fill(NaN), image = new Float32Array(height * width);
  const z0 = new Float32Array(d), g0 = new Float32Array(height * width); // layers may write over what they are given
  return {
    d, height, width,
    forward(z, out = new Float32Array(image.length)) {
      expectLength("z", z, d);
      if (input.some((value, i) => value !== z[i])) { // solvers often ask twice for the same z
        input.set(z);
        z0.set(z);
        image.set(layers.reduce((x, layer) => layer.forward(x), z0));
      }
      out.set(image);
      return out;
    },
    vjp(g, out = new Float32Array(d)) {
      expectLength("g", g, image.length);
      if (Number.isNaN(input[0])) throw new Error("vjp belongs to the last forward, and there was none");
      g0.set(g);
      out.set(layers.reduceRight((v, layer) => layer.vjp(v), g0));
      return out;
    },
  };
}

/** The paper's counterexample as a generator: G(z) = (z, z^2). */
export function parabola() {
  let z = NaN;
  return {
    d: 1, height: 1, width: 2,
    forward([value], out = new Float32Array(2)) {
      z = value;
      out[0] = z;
      out[1] = z * z;
      return out;
    },
    vjp(g, out = new Float32Array(1)) {
      out[0] = g[0] + 2 * z * g[1];
      return out;
    },
  };
}

// ---------------------------------------------------------------- random numbers

/** Matsumoto and Nishimura's MT19937: whole numbers below 2^32, one a call. */
function mersenneTwister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let next = 624;
  return () => {
    if (next === 624) {
      for (let i = 0; i < 624; i++) {
        const word = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let word = state[next++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}

/**
 * n draws from N(0, 1) as a Float32Array: those of torch.randn(n, generator=torch.Generator().manual_seed(seed)) on a
 * processor, so that a figure in a page has the operator and the noise of the notebook.
 *
 * Like torch, it turns blocks of 16 uniform numbers into normal ones, and draws anew for the last 16 if n is no
 * multiple of 16. Fewer than 16 numbers torch makes in another way.
 */
export function randn(seed, n) {
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) throw new Error(`'seed' must be below 2^32, got ${seed}`);
  if (!(Number.isInteger(n) && n >= 16)) throw new Error(`'n' must be a whole number >= 16, got ${n}`);
  const random = mersenneTwister(seed), out = new Float32Array(n);
  const fill = (from, to) => {
    for (let i = from; i < to; i++) out[i] = (random() & 0xffffff) / 2 ** 24;
  };
  const transform = (at) => { // Box and Muller: a point in the plane by its radius and angle is two draws
    for (let i = at; i < at + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - out[i])), angle = 2 * Math.PI * out[i + 8];
      out[i] = radius * Math.cos(angle);
      out[i + 8] = radius * Math.sin(angle);
    }
  };
  fill(0, n);
  for (let at = 0; at + 16 <= n; at += 16) transform(at);
  if (n % 16) {
    fill(n - 16, n);
    transform(n - 16);
  }
  return out;
}

// ---------------------------------------------------------------- forward operators

/** Largest singular value of a matrix (rows, columns), by power iteration on the smaller of A A^T and A^T A. */
function spectralNorm(A, rows, columns) {
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

/** Compressed sensing: m random projections of n pixels, scaled to norm 1; the entries are those of `GaussianMatrix`. */
export function gaussianMatrix(m, n, seed) {
  const values = randn(seed, m * n), norm = spectralNorm(values, m, n);
  return matrix(values.map((value) => value / norm), m, n);
}

/** Weights of a Gaussian on `width` (odd) pixels with the standard deviation `std` in pixels; their sum is 1. */
export function gaussianKernel(width = 5, std = 1) {
  const kernel = Float32Array.from({ length: width }, (_, i) => Math.exp(-0.5 * ((i - (width - 1) / 2) / std) ** 2));
  const sum = kernel.reduce((a, b) => a + b);
  return kernel.map((value) => value / sum);
}

/** Convolution of n numbers with a kernel of odd length, 0 outside, as a matrix of norm 1. */
function convolutionMatrix(n, kernel) {
  const K = new Float32Array(n * n), half = (kernel.length - 1) / 2;
  for (let i = 0; i < n; i++) {
    for (let j = Math.max(0, i - half); j <= Math.min(n - 1, i + half); j++) K[i * n + j] = kernel[half + i - j];
  }
  const norm = spectralNorm(K, n, n);
  return K.map((value) => value / norm);
}

/**
 * Blur of an image by kernel x kernel, 0 outside, scaled to norm 1: X -> K_1 X K_2^T.
 *
 * size: the side of a square image, or [height, width]; with height 1 a signal, blurred along its length alone.
 */
export function blur(size, kernel = gaussianKernel()) {
  const [height, width] = Array.isArray(size) ? size : [size, size];
  if (kernel.length % 2 === 0) throw new Error(`'kernel' must have an odd number of entries, got ${kernel.length}`);
  const down = height > 1 ? convolutionMatrix(height, kernel) : Float32Array.of(1);
  const along = convolutionMatrix(width, kernel);
  const downT = transpose(down, height, height), alongT = transpose(along, width, width);
  const n = height * width, between = new Float32Array(n);
  function both(left, right) {
    return (x, out = new Float32Array(n)) =>
      multiply(multiply(left, x, between, height, height, width), right, out, height, width, width);
  }
  return { m: n, n, forward: both(down, alongT), adjoint: both(downT, along) };
}

// ---------------------------------------------------------------- objectives

function checkProblem(G, A, y) {
  if (G.height * G.width !== A.n) throw new Error(`G makes ${G.height * G.width} pixels, A takes ${A.n}`);
  expectVector("y", y, A.m);
}

/**
 * What the algorithms need of a smooth function of one block of variables:
 * value(v); gradient(v, out), which returns the value too; magnitude(), the squared norm of the data from whose
 * difference the value comes, which tells the size of round-off.
 */

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

// ---------------------------------------------------------------- the algorithms of the paper

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

/** -H grad, where H is made of the last steps s and changes y of the gradient, newest last. */
function quasiNewton(grad, pairs, out) {
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
  const first = 1 / Math.max(1, Math.sqrt(sumOfSquares(grad))); // a step of length at most 1
  const scale = newest?.rho ? dot(newest.s, newest.y) / sumOfSquares(newest.y) : first;
  for (let i = 0; i < out.length; i++) out[i] *= scale;
  pairs.forEach(({ s, y, rho }, k) => add(alphas[k] - rho * dot(y, out), s));
}

/**
 * L-BFGS with an Armijo line search, for `hard` and `reduced`: the same minima as Algorithm 1, sooner. Stops when
 * old f - f <= tol |f|.
 */
export function* lbfgs(objective, z0, { memory = 6, maxIter = 200, tol = 1e-5, ...unknown } = {}) {
  expectNone(unknown);
  if (!objective.gradient) throw new Error(`L-BFGS solves hard and reduced, got ${objective.kind}`);
  expectVector("z0", z0, objective.d);
  const z = Float32Array.from(z0), d = z.length, trial = new Float32Array(d), direction = new Float64Array(d);
  const grad = new Float32Array(d), newGrad = new Float32Array(d), pairs = [];
  let f = objective.gradient(z, grad), values = 1;
  let state = { iterations: 0, objective: f, values, status: maxIter > 0 ? "running" : "budget" };
  yield report(objective, state, z);
  for (let k = 1; state.status === "running"; k++) {
    quasiNewton(grad, pairs, direction);
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
    const fOld = f;
    if (!stuck) {
      const s = trial.map((value, i) => value - z[i]), y = newGrad.map((value, i) => value - grad[i]), sy = dot(s, y);
      const good = sy > 1e-10 * Math.sqrt(sumOfSquares(s) * sumOfSquares(y));
      pairs.push({ s, y, rho: good ? 1 / sy : 0 });
      if (pairs.length > memory) pairs.shift();
      z.set(trial);
      grad.set(newGrad);
      f = reached;
    }
    const done = fOld - f <= tol * Math.abs(f);
    const status = stuck ? "round-off" : done ? "converged" : k >= maxIter ? "budget" : "running";
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

// ---------------------------------------------------------------- regularisers written by hand

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
 * by default 1 for ten steps, then ||x - x0||^2 over the squared norm of (p, q), which makes the bound of the error
 * least. Every ten iterations it looks whether objective and image still change by more than tol, relatively.
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
  let ratioNow = ratio ?? 1, f = value(), fChecked = f;
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
      if (ratio === null && k === checkEvery) {
        const duals = Math.max(sumOfSquares(pNew) + sumOfSquares(qNew), 1e-30);
        ratioNow = Math.min(100, Math.max(0.01, way / duals));
      }
      done = Math.abs(fChecked - f) <= tol * f && way <= tol * Math.max(sumOfSquares(x), 1e-60);
      fChecked = f;
      checked.set(x);
    }
    now = {
      iterations: k, objective: f, status: done ? "converged" : k >= maxIter ? "budget" : "running", x: x.slice(),
    };
    yield now;
  }
}

// ---------------------------------------------------------------- the parabola, solved exactly

/** Latent values at which `solveParabola` gives the objective. */
export const PARABOLA_GRID = Float64Array.from({ length: 3201 }, (_, i) => (i - 1600) / 500);

/**
 * All global minimisers of hard, relaxed or sparse for A = I, G(z) = (z, z^2) and y = (y1, 4), paper, Sect. 6.1.
 *
 * Gives { z: one or two numbers, x: as many pairs, objective: its least value over x at each z of PARABOLA_GRID }.
 */
export function solveParabola(method, y1, lam, mu) {
  expectWeight("lam", lam);
  expectWeight("mu", mu);
  const y2 = 4;
  // min over u of (r - u)^2 + lam |u|, and where it is attained
  const huber = (r) => (Math.abs(r) <= lam / 2 ? r * r : lam * Math.abs(r) - lam * lam / 4);
  const shrink = (r) => Math.sign(r) * Math.max(Math.abs(r) - lam / 2, 0);
  // the objective with x eliminated, from the two residuals and z; and the step from G(z) to x
  const methods = {
    hard: [(a, b, z) => a * a + b * b + lam * z * z, () => 0],
    relaxed: [(a, b, z) => (lam / (1 + lam)) * (a * a + b * b) + lam * mu * z * z, (r) => r / (1 + lam)],
    sparse: [(a, b, z) => huber(a) + huber(b) + lam * mu * z * z, shrink],
  };
  if (!Object.hasOwn(methods, method)) throw new Error(`'method' must be hard, relaxed or sparse, got ${method}`);
  const [value, step] = methods[method], f = (z) => value(y1 - z, y2 - z * z, z);
  const objective = PARABOLA_GRID.map(f), lowest = [];
  for (let i = 1; i < objective.length - 1; i++) {
    if (!(objective[i] <= objective[i - 1] && objective[i] < objective[i + 1])) continue;
    let z = PARABOLA_GRID[i];
    for (let k = 0, third = 0.002 / 3; k < 40; k++, third *= 2 / 3) z += f(z - third) < f(z + third) ? -third : third;
    lowest.push(z);
  }
  const least = Math.min(...lowest.map(f)), tie = 1e-9 * (1 + Math.abs(least));
  const z = lowest.filter((v) => f(v) <= least + tie).filter((v, i, all) => i === 0 || v - all[i - 1] > 1e-3);
  return { z, x: z.map((v) => [v + step(y1 - v), v * v + step(y2 - v * v)]), objective };
}

// ---------------------------------------------------------------- how good is it

/** Peak signal-to-noise ratio in dB, for grey values in [0, 1]. */
export function psnr(x, truth) {
  expectLength("x", x, truth.length);
  return 10 * Math.log10(truth.length / squaredDistance(x, truth));
}
