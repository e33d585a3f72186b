// What a perturbation of the data does to five methods: data and reconstructions are made here; the worst
// perturbations were found beforehand, and are stored up to their norm.

import { norm } from "../../live/linear.js";
import { decodeFloat16 } from "../../live/float16.js";
import { randn } from "../../live/random.js";
import { parallelBeam, fbp } from "../../live/rays.js";
import { tv } from "../../live/classical.js";
import { reconstructor } from "../../live/reconstructor.js";
import { psnr } from "../../live/metrics.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { bytes } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";

export function run(page) {
  const { root, data } = page;
  const { size, views: angles, budgets, sources, images } = data, start = runner(page);
  const A = parallelBeam(size, angles, Math.PI), noiseNorm = data.sigma * Math.sqrt(A.m);
  const truths = loadImages(page, "truths", A.n, data.white), stored = bytes(page, "perturbations");
  const noise = randn(data.noise.seed, data.noise.images * A.m);
  const scans = truths.map((truth, k) => A.forward(truth).map((value, i) => value + data.sigma * noise[k * A.m + i]));
  const decoded = Object.fromEntries( // damaged weights throw here, before anything moves
    Object.keys(data.networks).map(method => [method, decodeFloat16(bytes(page, `weights of ${method}`))]));
  const networks = {}, before = new Map();

  const options = { size, width: 150 }, residual = { ...options, span: data.spans.image };
  const scan = { size: A.bins, rows: angles, width: 150 };
  const pictures = {
    truth: imageView("truth", options),
    y: imageView("data y", scan),
    e: imageView(`perturbation e, ±${data.spans.data}`, { ...scan, span: data.spans.data }),
    perturbed: imageView("y + e", scan),
    before: imageView("Φ(y)", options),
    after: imageView("Φ(y + e)", options),
    change: imageView(`Φ(y + e) − Φ(y), ±${data.spans.image}`, residual),
    error: imageView(`Φ(y + e) − truth, ±${data.spans.image}`, residual),
  };
  const words = make("p", {}), all = Object.values(pictures).map(picture => picture.element);
  stage(page, row(...all.slice(0, 4)), row(...all.slice(4)), words);

  const perturbation = (source, image, share) => {
    let e;
    if (source === "random") {
      e = randn(data.randomSeed + image, A.m);
    } else {
      const budget = budgets.findIndex(value => share <= value);
      const first = ((budget * sources.length + sources.indexOf(source)) * images + image) * A.m;
      e = Float32Array.from(stored.subarray(first, first + A.m), level => level / 127.5 - 1);
    }
    const factor = (share * noiseNorm) / norm(e);
    return e.map(value => factor * value);
  };

  function* solve(method, y) {
    const weights = data.weights[method];
    if (method === "fbp") return yield { x: fbp(A, y, weights.cutoff) };
    if (method === "tv") return yield* tv(A, y, [size, size], weights.lam, { tol: 1e-5, maxIter: 2000 });
    networks[method] ??= reconstructor(data.networks[method], decoded[method], A);
    return yield* networks[method](y);
  }

  // The image before, once for each scan, then the one after.
  function* both(method, image, y, e) {
    const name = `${method} ${image}`;
    let last = null;
    if (!before.has(name)) {
      for (const state of solve(method, y)) yield (last = state);
      before.set(name, last.x);
    }
    for (const state of solve(method, y.map((value, i) => value + e[i]))) yield (last = state);
    yield { before: before.get(name), after: last.x };
  }

  const begin = () => {
    const [method, kind, share, image] = ["method", "kind", "size", "image"].map(key => panel.value(key));
    const truth = truths[image], y = scans[image];
    const e = perturbation(kind === "own" ? method : kind, image, share), shade = value => value / data.brightest;
    pictures.truth.draw(truth);
    pictures.y.draw(y.map(shade));
    pictures.e.draw(e);
    pictures.perturbed.draw(y.map((value, i) => shade(value + e[i])));
    words.textContent = "reconstructing …";
    root.attack = { done: false };
    let found = null;
    start(both(method, image, y, e), (newest, done) => {
      found = newest ?? found;
      if (!done) return;
      const { before: x0, after: x } = found, change = x.map((value, i) => value - x0[i]), far = norm(change);
      pictures.before.draw(x0);
      pictures.after.draw(x);
      pictures.change.draw(change);
      pictures.error.draw(x.map((value, i) => value - truth[i]));
      const times = share > 0 ? ` = ${(far / norm(e)).toFixed(2)} ‖e‖` : "";
      const peak = change.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      words.textContent = `${panel.label("method")}; ${panel.label("kind")}, ‖e‖ = ${share.toFixed(2)} of the noise: ` +
        `change ${far.toFixed(2)}${times}, at most ${peak.toFixed(2)} in a pixel; ` +
        `PSNR ${psnr(x0, truth).toFixed(1)} dB before, ${psnr(x, truth).toFixed(1)} dB after`;
      root.attack = { done, y, e, before: x0, after: x }; // for tests
      say(page, `Shown: ${panel.words()}. ${words.textContent}.`);
    });
  };
  const panel = controls(page, begin);
  begin();
}
