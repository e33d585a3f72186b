// A brain slice from spokes of its k-space: data, noise and the exact x are made here; G(z) and Sigma(z) are stored.
// What a click or the last two sliders choose is the pixel whose covariance is drawn.

import { norm } from "../../live/linear.js";
import { decodeFloat16 } from "../../live/float16.js";
import { randn } from "../../live/random.js";
import { radialMask, maskedFourier } from "../../live/fourier.js";
import { psnr } from "../../live/metrics.js";
import { PALETTE } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { bytes } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { short } from "../../explore/web/numbers.js";
import { LATER, localPrecision, bestImage } from "./stencil.js";

export function run(page) {
  const { root, data, guarded } = page;
  const size = data.size, n = size * size, start = runner(page), operators = new Map();
  const truths = loadImages(page, "truths", n), means = decodeFloat16(bytes(page, "means"));
  const stored = Object.fromEntries(
    ["diagonal", "covariance"].map(family => [family, decodeFloat16(bytes(page, family))]));
  const flat = new Float32Array(n).fill(data.identity);
  const channels = { identity: 1, diagonal: 1, covariance: 1 + LATER.length };
  const options = { size, width: 140 }, residual = { ...options, span: data.span };
  const views = {
    truth: imageView("truth", options),
    mask: imageView("k-space, sampled", options),
    filled: imageView("zero-filled", options),
    mean: imageView("G(z)", options),
    x: imageView("reconstruction\nx", options),
    residual: imageView(`x − truth,\n±${data.span}`, residual),
    given: imageView(`conditional std,\nto ${data.whitest}`, options),
    pixel: imageView("covariance /\nvariance, ±1", { ...options, size: 2 * data.reach + 1, span: 1 }),
  };
  const words = make("p", {}), all = Object.values(views).map(view => view.element);
  stage(page, row(...all.slice(0, 4)), row(...all.slice(4)), words);

  const operator = spokes => {
    if (!operators.has(spokes)) operators.set(spokes, maskedFourier(size, radialMask(size, spokes)));
    return operators.get(spokes);
  };
  const field = (family, image) => {
    if (family === "identity") return localPrecision(size, flat, []);
    const many = channels[family], first = image * many;
    const part = k => stored[family].subarray((first + k) * n, (first + k + 1) * n);
    return localPrecision(size, part(0), Array.from({ length: many - 1 }, (_, k) => part(k + 1)));
  };

  let sigmaOfZ = null, sentence = "", std = 0;
  const tell = done => {
    words.textContent = `${sentence}; pixel: std ${std.toFixed(3)}`;
    if (done) say(page, `Shown: ${panel.words()}. ${words.textContent}.`);
  };
  const ring = (r, c) => {
    const context = views.truth.element.querySelector("canvas").getContext("2d");
    context.strokeStyle = PALETTE.orange;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(c + 0.5, r + 0.5, 8, 0, 2 * Math.PI);
    context.stroke();
  };
  const pixel = () => {
    const r = panel.value("row"), c = panel.value("column"), e = new Float64Array(n);
    e[r * size + c] = 1;
    const column = sigmaOfZ.covariance(e), variance = column[r * size + c];
    const relative = column.map(value => value / variance);
    std = Math.sqrt(variance);
    root.mri = { ...root.mri, relative, std };
    views.truth.draw(truths[panel.value("image")]);
    ring(r, c);
    const side = 2 * data.reach + 1;
    views.pixel.draw(Float32Array.from({ length: side * side }, (_, k) => { // 0 outside the image
      const row = r + Math.floor(k / side) - data.reach, column = c + (k % side) - data.reach;
      return row >= 0 && row < size && column >= 0 && column < size ? relative[row * size + column] : 0;
    }));
    tell(root.mri.done);
  };

  const begin = () => {
    const [family, spokes, sigma, factor, image] =
      ["family", "spokes", "sigma", "factor", "image"].map(key => panel.value(key));
    const A = operator(spokes), truth = truths[image], g = means.subarray(image * n, (image + 1) * n);
    const noise = randn(data.noiseSeed, A.m), y = A.forward(truth).map((v, k) => v + sigma * noise[k]);
    const filled = A.adjoint(y), half = size / 2;
    sigmaOfZ = field(family, image);
    views.mask.draw(Float32Array.from({ length: n }, (_, k) => // the zero frequency in the middle
      A.mask[((Math.floor(k / size) + half) % size) * size + ((k + half) % size)]));
    views.filled.draw(filled);
    views.mean.draw(g);
    views.given.draw(sigmaOfZ.d.map(value => 1 / value / data.whitest));
    sentence = "looking for x …";
    root.mri = { done: false };
    pixel();
    let state = null, drawn = 0;
    start(bestImage(A, y, g, sigmaOfZ, factor * sigma ** 2), (newest, done) => {
      state = newest ?? state;
      if (!done && performance.now() < drawn + 150) return; // drawing takes as long as some iterations
      drawn = performance.now();
      const { x, iterations } = state, fit = norm(A.forward(x).map((v, k) => v - y[k])) / (sigma * Math.sqrt(A.m));
      views.x.draw(x);
      views.residual.draw(x.map((v, k) => v - truth[k]));
      sentence = `${family}, λ = ${short(factor, 2)} · 2σ²: x ${psnr(x, truth).toFixed(1)} dB, ` +
        `G(z) ${psnr(g, truth).toFixed(1)} dB, zero-filled ${psnr(filled, truth).toFixed(1)} dB; ` +
        `misfit ${fit.toFixed(2)} of the noise${done ? "" : ` (iteration ${iterations})`}`;
      root.mri = { ...root.mri, x: x.slice(), y, done };
      tell(done);
    });
  };
  const panel = controls(page, key => (key === "row" || key === "column" ? pixel() : begin()));
  for (const view of Object.values(views)) {
    if (view === views.mask || view === views.pixel) continue; // these show other places
    const canvas = view.element.querySelector("canvas");
    canvas.style.cursor = "crosshair";
    canvas.addEventListener("click", guarded(event => {
      const box = canvas.getBoundingClientRect(); // with the border, which clientLeft and clientWidth leave out
      const place = (at, from, length) => Math.min(size - 1, Math.max(0, Math.floor(((at - from) / length) * size)));
      panel.set("row", place(event.clientY, box.top + canvas.clientTop, canvas.clientHeight));
      panel.set("column", place(event.clientX, box.left + canvas.clientLeft, canvas.clientWidth));
      pixel();
    }));
  }
  begin();
}
