/** What the engine's functions are given: mistakes are told by name, not computed with. */

export function expectLength(name, v, length) {
  if (v?.length !== length) throw new Error(`'${name}' must have ${length} entries, got ${v?.length ?? typeof v}`);
}

/** `length` finite numbers: a NaN would pass through every comparison below and never end. */
export function expectVector(name, v, length) {
  expectLength(name, v, length);
  for (const value of v) if (!Number.isFinite(value)) throw new Error(`'${name}' holds ${value}`);
}

/** What a solver was given beside its own settings: a misspelt name should not be passed over in silence. */
export function expectNone(unknown) {
  for (const name of Object.keys(unknown)) throw new Error(`unknown setting '${name}'`);
}

export function expectWeight(name, value) {
  if (!(value >= 0 && value < Infinity)) throw new Error(`'${name}' must be a number >= 0, got ${value}`);
}
