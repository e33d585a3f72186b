// Blocks of numbers that are stored with the page.

const CRC = Uint32Array.from({ length: 256 }, (_, start) => {
  let word = start;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word;
});

// One stored block of numbers; its CRC-32 is checked, for damaged weights draw plausible nonsense. What several
// explorers of a page need stands in the first of them.
export function bytes({ root }, name) {
  const block = root.querySelector(`.cp-block[data-name="${name}"]`);
  const store = block.dataset.in ? document.getElementById(block.dataset.in) : block;
  if (store === null) throw new Error(`the ${name} are missing: they stood in another figure of the page`);
  let text = "";
  try {
    text = atob(store.textContent.trim());
  } catch {
    throw new Error(`the stored ${name} are damaged (not base64)`);
  }
  const out = new Uint8Array(text.length);
  let crc = 0xffffffff;
  for (let i = 0; i < out.length; i++) {
    out[i] = text.charCodeAt(i);
    crc = CRC[(crc ^ out[i]) & 255] ^ (crc >>> 8);
  }
  if ((crc ^ 0xffffffff) >>> 0 !== Number(block.dataset.crc)) {
    throw new Error(`the stored ${name} are damaged (their checksum is wrong)`);
  }
  return out;
}

export const float32 = (page, name) => new Float32Array(bytes(page, name).buffer);
