// Truncated singular value decompositions: the Picard plot and what is kept, whose end can be dragged in both plots.

import { PALETTE } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage } from "../../explore/web/stage.js";
import { bytes, float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { chart, legend } from "../../explore/web/chart.js";
import { slide } from "../../explore/web/slide.js";
import { short } from "../../explore/web/numbers.js";

const SIDE = 28, HALF = SIDE / 2, N = SIDE * SIDE;

// Images that are even or odd in rows and in columns, from the quarter that tells them; see unfold of the library.
function unfold(parts) {
  const image = new Float64Array(N), [ee, eo, oe, oo] = parts;
  for (let i = 0, k = 0; i < HALF; i++) {
    for (let j = 0; j < HALF; j++, k++) {
      const a = ee[k] / 2, b = eo[k] / 2, c = oe[k] / 2, d = oo[k] / 2, below = SIDE - 1 - i, right = SIDE - 1 - j;
      image[i * SIDE + j] = a + b + c + d;
      image[i * SIDE + right] = a - b + c - d;
      image[below * SIDE + j] = a + b - c - d;
      image[below * SIDE + right] = a - b - c + d;
    }
  }
  return image;
}

// One operator: singular values, coefficients of the truth and of the noise, data, and sums of singular images.
function load(page, { name, rank, m, parity }) {
  const vectors = new Int8Array(bytes(page, `vectors of ${name}`).buffer), all = float32(page, `numbers of ${name}`);
  let at = 0;
  const next = length => all.subarray(at, (at += length));
  const [S, truth, noise, factor, clean, noiseOfData] = [rank, rank, rank, rank, m, m].map(next);
  const width = vectors.length / rank;
  const sum = (coefficients, kept) => { // of coefficients[k] v_k
    const parts = Array.from({ length: parity ? 4 : 1 }, () => new Float64Array(width));
    for (let k = 0; k < kept; k++) {
      const part = parts[parity ? Number(parity[k]) : 0], c = coefficients[k] * factor[k];
      for (let i = 0, from = k * width; i < width; i++) part[i] += c * vectors[from + i];
    }
    return parity ? unfold(parts) : parts[0];
  };
  return { S, truth, noise, clean, noiseOfData, sum };
}

// The data as a picture, from 0 to 1 between the least and the greatest number; white where nothing was measured.
function pictureOf(y, { rows, columns, where }) {
  const picture = new Float64Array(rows * columns).fill(where ? NaN : 0);
  if (where) where.forEach((place, k) => { picture[place] = Math.hypot(y[k], y[k + where.length]); });
  else picture.set(y);
  const known = picture.filter(Number.isFinite), low = Math.min(...known), span = Math.max(...known) - low;
  return picture.map(value => (Number.isFinite(value) ? (value - low) / span : 1));
}

export function run(page) {
  const { root, data } = page;
  const truth = loadImages(page, "truth", N)[0], energy = truth.reduce((sum, v) => sum + v * v, 0);
  const operators = data.operators.map(told => ({ ...told, ...load(page, told) }));
  const size = { size: SIDE, width: 140 };
  const views = {
    truth: imageView("truth\n\u00a0", size), x: imageView("reconstruction", size), residual: imageView("residual", {
      ...size, span: 1 }),
  };
  for (const one of operators) one.view = imageView("data", { size: one.columns, rows: one.rows, width: 140 });
  const place = make("div", {});
  const wide = { width: 350, height: 250, left: 56 };
  const picard = chart(page, "Picard plot", { ...wide, ylog: true, xlabel: "index k", ylabel: "size" });
  const quality = chart(page, "PSNR against the number of singular values kept",
    { ...wide, xlabel: "singular values kept", ylabel: "PSNR (dB)" });
  const { vermilion, blue, black, orange, green } = PALETTE;
  const key = legend([
    { color: vermilion, mark: "dot", text: "|uₖᵀ y|, noisy data" }, { color: blue, mark: "dot", text: "|uₖᵀ A x|, clean" },
    { color: black, text: "sₖ" }, { color: orange, dash: "7 4", text: "noise level σ" },
    { color: green, text: "kept, to the left" }, { color: vermilion, mark: "cross", text: "best" },
  ]);
  const words = make("p", {}), box = chart => make("div", { style: "flex: 0 1 350px" }, chart.element);
  views.truth.draw(truth);
  stage(page, row(views.truth.element, place, views.x.element, views.residual.element),
    row(box(picard), box(quality)), key, words);

  const draw = () => {
    const one = operators.find(({ name }) => name === panel.value("operator")), sigma = panel.value("sigma");
    const { S, noise, rank } = one, kept = Math.min(panel.value("kept"), rank);
    const index = Array.from(S, (_, k) => k + 1);
    const clean = one.truth.map((b, k) => S[k] * b), beta = clean.map((value, k) => value + sigma * noise[k]);
    // each term that is kept adds its noise and removes what was missing
    const psnr = [];
    let error = energy;
    for (let k = 0; k < rank; k++) {
      error += ((sigma * noise[k]) / S[k]) ** 2 - one.truth[k] ** 2;
      psnr.push(10 * Math.log10(N / Math.max(error, 1e-12)));
    }
    const best = psnr.indexOf(Math.max(...psnr)), x = one.sum(beta.map((value, k) => value / S[k]), kept);
    const residual = x.map((value, k) => value - truth[k]), largest = Math.max(...residual.map(Math.abs));
    const y = one.clean.map((value, k) => value + sigma * one.noiseOfData[k]);
    root.truncation = { x, beta, psnr, kept, best: best + 1, picture: pictureOf(y, one) }; // for tests
    place.replaceChildren(one.view.element);
    one.view.draw(root.truncation.picture, `data\n${one.m} numbers`);
    views.x.draw(x, `reconstruction,\n${psnr[kept - 1].toFixed(1)} dB`);
    views.residual.draw(residual, `residual, ±1,\nlargest ${short(largest, 2)}`);
    const x1 = rank + 1, cut = { kind: "vline", at: kept, color: green, dash: "none" };
    const dots = (values, color) => ({ kind: "dots", x: index, y: values.map(v => Math.max(1e-12, Math.abs(v))), color });
    picard.draw({ x: [0, x1], y: [1e-6, 30], layers: [
      dots(beta, vermilion), dots(clean, blue), { kind: "line", x: index, y: S, color: black },
      { kind: "hline", at: sigma, color: orange, dash: "7 4" }, cut,
    ] });
    const within = value => Math.min(49, Math.max(-29, value));
    quality.draw({ x: [0, x1], y: [-30, 50], layers: [
      { kind: "line", x: index, y: psnr, color: blue }, cut,
      { kind: "marks", x: [kept], y: [within(psnr[kept - 1])], color: green, size: 6 },
      { kind: "marks", x: [best + 1], y: [within(psnr[best])], color: vermilion, size: 5, cross: true },
    ] });
    cutOfSpectrum.put(kept - 1, index, `${kept} kept`);
    cutOfCurve.put(kept - 1, index, `${kept} kept`, within(psnr[kept - 1]));
    words.textContent = `kept: ${kept} of ${rank}, ${psnr[kept - 1].toFixed(1)} dB; ` +
      `best: ${best + 1} of ${rank}, ${psnr[best].toFixed(1)} dB.`;
    say(page, `Shown: ${panel.words()}. ${words.textContent}`);
  };
  const move = index => {
    panel.set("kept", index);
    draw();
  };
  const cutOfSpectrum = slide(page, picard, "cut in the Picard plot", move);
  const cutOfCurve = slide(page, quality, "cut on the PSNR curve", move);
  const panel = controls(page, draw);
  draw();
}
