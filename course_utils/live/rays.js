// Parallel-beam tomography as in `ParallelBeam` and `fbp`: lengths of lines in pixels, and filtered back-projection.

import { norm } from "./linear.js";

// Views of a (size, size) image of unit pixels, equally spaced on [0, range) radians, scaled to norm 1.
export function parallelBeam(size, views, range) {
  const bins = 2 * Math.ceil(size / Math.SQRT2) + 1, binWidth = (Math.SQRT2 * size) / bins;
  const m = views * bins, n = size * size, half = size / 2;
  const starts = new Uint32Array(m + 1), pixels = [], lengths = [];
  for (let a = 0; a < views; a++) {
    // (c, s) is the normal of the line, (-s, c) goes along it
    const angle = (a * range) / views, c = Math.cos(angle), s = Math.sin(angle);
    // a line along the edge between two pixels belongs to both, half to each
    const oblique = Math.abs(c) > 1e-12 && Math.abs(s) > 1e-12, sides = oblique ? [0] : [-1e-9, 1e-9];
    for (let b = 0; b < bins; b++) {
      const offset = (b + 0.5) * binWidth - Math.SQRT2 * half, x0 = offset * c, y0 = offset * s, crossings = [];
      for (let k = 0; k <= size; k++) {
        if (Math.abs(s) > 1e-12) crossings.push((k - half - x0) / -s);
        if (Math.abs(c) > 1e-12) crossings.push((k - half - y0) / c);
      }
      const t = Float64Array.from(crossings).sort();
      for (let k = 0; k + 1 < t.length; k++) {
        const length = t[k + 1] - t[k], middle = (t[k + 1] + t[k]) / 2;
        if (!(length > 1e-12)) continue;
        for (const shift of sides) {
          const column = Math.floor(x0 + shift - middle * s + half), row = Math.floor(half - y0 - shift - middle * c);
          if (column < 0 || column >= size || row < 0 || row >= size) continue;
          pixels.push(row * size + column);
          lengths.push(length / sides.length);
        }
      }
      starts[a * bins + b + 1] = pixels.length;
    }
  }
  const place = Uint32Array.from(pixels), weight = Float32Array.from(lengths);
  const A = {
    m, n, size, views, bins, binWidth, range,
    forward(x, out = new Float32Array(m)) {
      for (let i = 0; i < m; i++) {
        let sum = 0;
        for (let k = starts[i]; k < starts[i + 1]; k++) sum += weight[k] * x[place[k]];
        out[i] = sum;
      }
      return out;
    },
    adjoint(r, out = new Float32Array(n)) {
      out.fill(0);
      for (let i = 0; i < m; i++) {
        for (let k = starts[i]; k < starts[i + 1]; k++) out[place[k]] += weight[k] * r[i];
      }
      return out;
    },
  };
  // the norm, by power iteration; no length is negative, so the first singular image has no sign change
  let v = new Float32Array(n).fill(1 / size), square = 0;
  for (let k = 0; k < 200; k++) {
    const old = square;
    v = A.adjoint(A.forward(v));
    square = norm(v);
    v = v.map(value => value / square);
    if (Math.abs(square - old) <= 1e-7 * square) break;
  }
  A.scale = 1 / Math.sqrt(square);
  for (let k = 0; k < weight.length; k++) weight[k] *= A.scale;
  return A;
}

// The ramp, softened by a Hann window that ends at `cutoff` of the highest frequency, as weights over bins.
function rampKernel(bins, binWidth, cutoff) {
  const padded = 2 ** Math.ceil(Math.log2(Math.max(2 * bins, 64))), top = padded / 2, turn = (2 * Math.PI) / padded;
  const response = Float64Array.from({ length: top + 1 }, (_, f) => {
    if (f / top > cutoff) return 0;
    let ramp = 0.25; // the transform of the band-limited impulse response
    for (let k = 1; k < top; k += 2) ramp -= (2 * Math.cos(turn * f * k)) / (Math.PI * k) ** 2;
    return (ramp * (0.5 + 0.5 * Math.cos((Math.PI * f) / top / cutoff))) / binWidth;
  });
  return Float64Array.from({ length: bins }, (_, lag) => {
    let sum = response[0] + (lag % 2 ? -1 : 1) * response[top];
    for (let f = 1; f < top; f++) sum += 2 * response[f] * Math.cos(turn * f * lag);
    return sum / padded;
  });
}

// Filtered back-projection: filter each view, then smear it back over the image.
export function fbp(A, y, cutoff) {
  const { size, views, bins, binWidth, range, scale } = A, kernel = rampKernel(bins, binWidth, cutoff);
  const image = new Float32Array(A.n), filtered = new Float64Array(bins), gap = range / views;
  // the views next to the gap that closes the half circle stand for half of it, unless it is a missing wedge
  const last = Math.PI - (views - 1) * gap, edge = (gap + (last > 2 * gap ? gap : last)) / 2;
  for (let a = 0; a < views; a++) {
    for (let i = 0; i < bins; i++) {
      let sum = 0;
      for (let j = 0; j < bins; j++) sum += kernel[Math.abs(i - j)] * y[a * bins + j];
      filtered[i] = sum / scale;
    }
    const c = Math.cos(a * gap), s = Math.sin(a * gap), weight = a === 0 || a === views - 1 ? edge : gap;
    for (let row = 0, k = 0; row < size; row++) {
      for (let column = 0; column < size; column++, k++) {
        const x = column - (size - 1) / 2, up = (size - 1) / 2 - row;
        const at = Math.min(bins - 1, Math.max(0, (x * c + up * s) / binWidth + (bins - 1) / 2));
        const left = Math.min(bins - 2, Math.floor(at)), t = at - left;
        image[k] += weight * ((1 - t) * filtered[left] + t * filtered[left + 1]);
      }
    }
  }
  return image;
}
