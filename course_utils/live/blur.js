/** Blur of images and signals by a kernel of two factors. */

import { multiply, transpose } from "./linear.js";
import { spectralNorm } from "./operators.js";

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
