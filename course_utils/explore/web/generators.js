// The generators whose weights are stored with the page, by family; damaged weights throw here, before anything moves.

import { generator } from "../../live/generator.js";
import { decodeFloat16 } from "../../live/float16.js";
import { bytes } from "./stored.js";

export function loadGenerators(page) {
  const entries = Object.entries(page.data.generators);
  return Object.fromEntries(entries.map(([family, spec]) => [
    family, generator(spec, decodeFloat16(bytes(page, `weights of ${family}`))),
  ]));
}
