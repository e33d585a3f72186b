/** Weights are stored with half precision, which the eye cannot tell from more. */

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
