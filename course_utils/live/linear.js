/**
 * Small linear algebra. Vectors, and images in reading order, are Float32Arrays; matrices lie row by row.
 */

export const EPS = 2 ** -23; // round-off of float32, in which everything is stored

export function sumOfSquares(v) {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i] * v[i];
  return sum;
}

/** ||v||, the Euclidean norm. */
export function norm(v) {
  return Math.sqrt(sumOfSquares(v));
}

export function squaredDistance(v, w) {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += (v[i] - w[i]) * (v[i] - w[i]);
  return sum;
}

export function dot(v, w) {
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
export function multiply(A, B, C, rows, inner, columns) {
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

export function transpose(A, rows, columns) {
  const T = new Float32Array(A.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) T[j * rows + i] = A[i * columns + j];
  return T;
}
