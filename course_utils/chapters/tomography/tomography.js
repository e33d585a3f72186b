// Five methods on a scan of one image; views, range, noise, object are all free. The rays, the noise and the weights
// are those of the notebook.

import { sumOfSquares, norm } from "../../live/linear.js";
import { randn } from "../../live/random.js";
import { parallelBeam, fbp } from "../../live/rays.js";
import { hard, sparse } from "../../live/objectives.js";
import { algorithm3, lbfgs } from "../../live/solvers.js";
import { tikhonov, tv } from "../../live/classical.js";
import { psnr } from "../../live/metrics.js";
import { PALETTE } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { shape } from "../../explore/web/svg.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { short } from "../../explore/web/numbers.js";

// How much of the contrast of a bright spot is left, as spot_contrast of the notebook; null without a spot.
function spotContrast(x, truth, size) {
  const spots = [...truth.keys()].filter(i => truth[i] > 0.75);
  if (spots.length === 0) return null;
  const far = i => Math.min(...spots.map(s => // in the steps of a king
    Math.max(Math.abs((i % size) - (s % size)), Math.abs(Math.floor(i / size) - Math.floor(s / size)))));
  const ring = [...truth.keys()].filter(i => truth[i] > 0 && far(i) > 1 && far(i) <= 4);
  const mean = (image, part) => part.reduce((sum, i) => sum + image[i], 0) / part.length;
  return (mean(x, spots) - mean(x, ring)) / (mean(truth, spots) - mean(truth, ring));
}

export function run(page) {
  const { root, data } = page;
  const G = loadGenerators(page).vae, size = G.width, d = G.d;
  const truths = loadImages(page, "shapes", size * size, data.white);
  const stored = float32(page, "candidates"), start = runner(page), operators = new Map(), pictures = [];
  const options = { size, width: 138 };
  const views = {
    truth: imageView("truth", options),
    sinogram: imageView("sinogram", { width: 138, size: data.bins, rows: data.most }),
    x: imageView("reconstruction", options),
    residual: imageView("residual, ±0.5", { ...options, span: 0.5 }),
  };
  const dial = shape("svg", { viewBox: "-1.1 -1.1 2.2 2.2", width: 72, height: 72, role: "img" });
  const compass = make("div", { class: "cp-image" }, make("div", { class: "cp-caption" }, "views"), dial);
  const words = make("p", {});
  stage(page, row(...Object.values(views).map(view => view.element), compass), words);

  const operator = (number, degrees) => {
    const name = `${number} ${degrees}`;
    if (!operators.has(name)) {
      if (operators.size > 20) operators.clear(); // each holds some megabytes
      operators.set(name, parallelBeam(size, number, (degrees * Math.PI) / 180));
    }
    return operators.get(name);
  };

  // Where to begin: the three candidates of least objective, each improved a little; the best of them by objective.
  // The candidates' images are made once. Each null is a breath for the page.
  function* promising(A, y, lam) {
    for (let k = pictures.length; k * d < stored.length; k++) {
      const z = stored.slice(k * d, (k + 1) * d);
      pictures.push({ z, x: G.forward(z) });
      yield null;
    }
    const scored = [];
    for (const { z, x } of pictures) {
      const misfit = sumOfSquares(A.forward(x).map((v, i) => v - y[i]));
      scored.push({ z, f: misfit + lam * sumOfSquares(z) });
      yield null;
    }
    let best = null;
    for (const { z } of scored.sort((a, b) => a.f - b.f).slice(0, 3)) {
      let last = null;
      for (const state of lbfgs(hard(G, A, y, lam), z, { maxIter: 10 })) yield (last = state);
      if (best === null || last.objective < best.objective) best = last;
    }
    return best.z;
  }

  function* solve(method, A, y, { lam, mu, cutoff }) {
    if (method === "fbp") return yield { x: fbp(A, y, cutoff), iterations: 0 };
    if (method === "tikhonov") return yield* tikhonov(A, y, lam, { tol: 1e-4, maxIter: 60 });
    if (method === "tv") return yield* tv(A, y, [size, size], lam, { tol: 1e-4, maxIter: 200 });
    const weight = method === "hard" ? lam : lam * mu;
    let last = null;
    const z0 = yield* promising(A, y, weight);
    for (const state of lbfgs(hard(G, A, y, weight), z0, { maxIter: 30 })) yield (last = state);
    if (method === "hard") return undefined;
    // where u = 0 is best
    return yield* algorithm3(
      sparse(G, A, y, lam, mu), last.z, null, { stop: "objective", tol: 1e-4, maxIter: 40 });
  }

  const begin = () => {
    const [method, number, degrees, sigma, kind, image] =
      ["method", "views", "degrees", "sigma", "kind", "image"].map(key => panel.value(key));
    const truth = truths[data.first[kind] + image], weights = data.weights[method][panel.index.sigma];
    const A = operator(number, degrees), noise = randn(data.noiseSeed, A.m), most = data.most;
    const y = A.forward(truth).map((v, i) => v + sigma * noise[i]), brightest = Math.max(...y);
    views.truth.draw(truth);
    const stretched = Float32Array.from({ length: most * A.bins }, (_, k) => {
      const view = Math.floor((Math.floor(k / A.bins) * number) / most);
      return y[view * A.bins + (k % A.bins)] / brightest;
    });
    views.sinogram.draw(stretched, `sinogram, 0 to ${degrees}°`);
    const spokes = Array.from({ length: number }, (_, k) => {
      const angle = (k * degrees * Math.PI) / 180 / number, c = Math.cos(angle), s = -Math.sin(angle); // y points down
      return `M${-c} ${-s}L${c} ${s}`;
    });
    dial.setAttribute("aria-label", `directions of ${number} views over ${degrees} degrees`);
    dial.replaceChildren(
      shape("circle", { r: 1, fill: "#fff", stroke: "#1a1a1a", "stroke-width": 0.03 }),
      shape("path", { d: spokes.join(""), stroke: PALETTE.orange, "stroke-width": 0.02 }),
    );
    const greek = { lam: "λ", mu: "μ" };
    const used = Object.entries(weights).map(([key, value]) => `${greek[key] ?? key} = ${short(value, 2)}`);
    let state = null;
    const show = (newest, done) => { // the last slice of a run may bring nothing new
      state = newest ?? state;
      if (state === null) {
        words.textContent = "looking for a start …";
        return;
      }
      const contrast = spotContrast(state.x, truth, size);
      root.tomography = { x: state.x, y, A, done, objective: state.objective, contrast }; // for tests
      views.x.draw(state.x);
      views.residual.draw(state.x.map((v, i) => v - truth[i]));
      const fit = norm(A.forward(state.x).map((v, i) => v - y[i])) / (sigma * Math.sqrt(A.m));
      words.textContent = `${panel.label("method")} (${used.join(", ")}): ` +
        `PSNR ${psnr(state.x, truth).toFixed(1)} dB, ` +
        (contrast === null ? "" : `spot ${(100 * contrast).toFixed(0)} %, `) + `${A.m} data, residual ${fit.toFixed(2)} of the noise${done ? "" : ` (iteration ${state.iterations})`}`;
      if (done) say(page, `Shown: ${panel.words()}. ${words.textContent}.`);
    };
    root.tomography = { done: false };
    start(solve(method, A, y, weights), show);
  };
  const panel = controls(page, begin);
  begin();
}
