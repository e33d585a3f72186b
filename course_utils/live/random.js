/** Random numbers: those of torch, from the same seeds. */

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
  const known = Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32;
  if (!known) throw new Error(`'seed' must be below 2^32, got ${seed}`);
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
