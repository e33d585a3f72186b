// Images as canvases of their own pixels. palette.js is no file: it is made from plots.py with each page.

import { make } from "./dom.js";
import { RESIDUAL } from "./palette.js";
import { bytes } from "./stored.js";

// Images stored as bytes: number -> Float32Array.
export function loadImages(page, name, pixels, white = 255) {
  const store = bytes(page, name);
  return Array.from({ length: store.length / pixels }, (_, k) =>
    Float32Array.from(store.subarray(k * pixels, (k + 1) * pixels), value => value / white));
}

// One image, shown as a square. draw(values, title): values in reading order, grey 0 to 1, or residuals from -span to
// span.
export function imageView(title, { size = 28, rows = size, span = 0, width = 112 } = {}) {
  const canvas = make("canvas", { width: size, height: rows, role: "img" });
  const caption = make("div", { class: "cp-caption" }, title);
  const figure = make("div", { class: "cp-image", style: `width:${width}px` }, caption, canvas);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(size, rows);
  return {
    element: figure,
    draw(values, text = title) {
      for (let i = 0; i < values.length; i++) {
        if (!Number.isFinite(values[i])) throw new Error(`the image "${text}" holds ${values[i]}`);
        const share = span ? (values[i] / span + 1) / 2 : values[i];
        const level = Math.round(255 * Math.min(1, Math.max(0, share)));
        for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = span ? RESIDUAL[3 * level + c] : level;
        pixels.data[4 * i + 3] = 255;
      }
      context.putImageData(pixels, 0, 0);
      caption.textContent = text;
      canvas.setAttribute("aria-label", text.replace(/\s+/g, " ").trim());
    },
  };
}
