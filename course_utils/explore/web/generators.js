// The generators whose weights are stored with the page, by family; damaged weights throw here, before anything moves.
function loadGenerators() {
  const entries = Object.entries(data.generators);
  return Object.fromEntries(entries.map(([family, spec]) => [
    family, engine.generator(spec, engine.decodeFloat16(bytes(`weights of ${family}`))),
  ]));
}

// Images stored as bytes: number -> Float32Array.
function loadImages(name, pixels, white = 255) {
  const store = bytes(name);
  return Array.from({ length: store.length / pixels }, (_, k) =>
    Float32Array.from(store.subarray(k * pixels, (k + 1) * pixels), value => value / white));
}

const norm = v => Math.sqrt(engine.sumOfSquares(v));
