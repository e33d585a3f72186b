// Masked Fourier samples of real images, as in `MaskedFourier` and `radial_mask`: spokes, and the unitary transform.

// Discrete Fourier transform of the rows, then of the columns, of a size x size image, in place; size a power of two.
function transformer(size) {
  const bits = Math.log2(size), cos = new Float64Array(size / 2), sin = new Float64Array(size / 2);
  if (!Number.isInteger(bits)) throw new Error(`the side of the image must be a power of two, got ${size}`);
  for (let k = 0; k < size / 2; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / size);
    sin[k] = Math.sin((2 * Math.PI * k) / size);
  }
  const turned = Uint32Array.from({ length: size }, (_, k) => {
    let r = 0;
    for (let b = 0; b < bits; b++) r |= ((k >> b) & 1) << (bits - 1 - b);
    return r;
  });
  function line(re, im, start, step, sign) { // Cooley and Tukey
    for (let k = 0; k < size; k++) {
      const j = turned[k];
      if (j <= k) continue;
      const a = start + k * step, b = start + j * step;
      [re[a], re[b], im[a], im[b]] = [re[b], re[a], im[b], im[a]];
    }
    for (let half = 1; half < size; half *= 2) {
      const jump = size / (2 * half);
      for (let base = 0; base < size; base += 2 * half) {
        for (let k = 0; k < half; k++) {
          const c = cos[k * jump], s = sign * sin[k * jump];
          const a = start + (base + k) * step, b = a + half * step;
          const tr = re[b] * c - im[b] * s, ti = re[b] * s + im[b] * c;
          re[b] = re[a] - tr;
          im[b] = im[a] - ti;
          re[a] += tr;
          im[a] += ti;
        }
      }
    }
  }
  return (re, im, inverse) => {
    const sign = inverse ? 1 : -1;
    for (let k = 0; k < size; k++) line(re, im, k * size, 1, sign);
    for (let k = 0; k < size; k++) line(re, im, k, size, sign);
    for (let k = 0; k < re.length; k++) { // unitary
      re[k] /= size;
      im[k] /= size;
    }
  };
}

// Halves go to the even neighbour, as in torch.
function roundEven(v) {
  const down = Math.floor(v), rest = v - down;
  if (rest !== 0.5) return Math.round(v);
  return down % 2 === 0 ? down : down + 1;
}

// 1 where a spoke goes, the zero frequency at [0, 0]; with every frequency the mask holds the opposite one.
export function radialMask(size, spokes) {
  const mask = new Uint8Array(size * size);
  for (let spoke = 0; spoke < spokes; spoke++) {
    const angle = (Math.PI * spoke) / spokes;
    for (let k = 0; k <= 4 * size; k++) {
      const radius = k / 4 - size / 2;
      const r = roundEven(radius * Math.sin(angle)), c = roundEven(radius * Math.cos(angle));
      if (Math.abs(r) < size / 2 && Math.abs(c) < size / 2) mask[((r + size) % size) * size + ((c + size) % size)] = 1;
    }
  }
  return mask;
}

// The operator of a symmetric mask, whose norm is 1: real parts of all samples, then imaginary parts.
export function maskedFourier(size, mask) {
  const n = size * size, transform = transformer(size), re = new Float64Array(n), im = new Float64Array(n);
  const index = Uint32Array.from(mask.keys()).filter(k => mask[k]), m = 2 * index.length;
  return {
    m, n, mask,
    forward(x, out = new Float64Array(m)) {
      re.set(x);
      im.fill(0);
      transform(re, im, false);
      index.forEach((place, k) => {
        out[k] = re[place];
        out[k + m / 2] = im[place];
      });
      return out;
    },
    adjoint(y, out = new Float64Array(n)) {
      re.fill(0);
      im.fill(0);
      index.forEach((place, k) => {
        re[place] = y[k];
        im[place] = y[k + m / 2];
      });
      transform(re, im, true);
      out.set(re);
      return out;
    },
    normal(x, out = new Float64Array(n)) { // adjoint(forward(x)), without the way through the samples
      re.set(x);
      im.fill(0);
      transform(re, im, false);
      for (let k = 0; k < n; k++) if (!mask[k]) re[k] = im[k] = 0;
      transform(re, im, true);
      out.set(re);
      return out;
    },
  };
}
