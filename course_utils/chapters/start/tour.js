// Five methods on one blurred, noisy digit, each for all lambda of the slider. The starts are those of the notebook.

import { squaredDistance } from "../../live/linear.js";
import { randn } from "../../live/random.js";
import { blur } from "../../live/blur.js";
import { hard, sparse } from "../../live/objectives.js";
import { reduced } from "../../live/reduced.js";
import { algorithm3, lbfgs } from "../../live/solvers.js";
import { tikhonov, tv } from "../../live/classical.js";
import { psnr } from "../../live/metrics.js";
import { METHODS, PALETTE } from "../../explore/web/palette.js";
import { FORMULAS } from "../../explore/web/methods.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { bytes, float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { chart } from "../../explore/web/chart.js";
import { slide } from "../../explore/web/slide.js";
import { short } from "../../explore/web/numbers.js";

const SIDE = 28, N = SIDE * SIDE, LOW = 4, HIGH = 33;

export function run(page) {
  const { root, data } = page, { d } = data;
  const [G] = Object.values(loadGenerators(page)), A = blur(SIDE), start = runner(page);
  const truths = loadImages(page, "digits", N), noise = randn(data.noiseSeed, truths.length * N);
  const latent = float32(page, "starts"), ofHard = new Uint16Array(bytes(page, "starts of hard").buffer);
  const ofRelaxed = new Uint16Array(bytes(page, "starts of relaxed").buffer);
  const [lambdas, mus, sigmas] = ["lam", "mu", "sigma"].map(
    key => data.controls.find(control => control.key === key).values);
  const views = ["truth", "data", "reconstruction", "residual, ±1"]
    .map((title, k) => imageView(title, { width: 120, span: k === 3 ? 1 : 0 }));
  const quality = chart(page, "PSNR over lambda", { width: 300, height: 190, left: 44, xlog: true, xlabel: "λ",
    ylabel: "PSNR (dB)" });
  const formula = make("p", { class: "cp-formula" }), words = make("p", {});
  stage(page, row(...views.map(view => view.element), quality.element), formula, words);
  const cache = new Map(); // method, mu, sigma and digit: the solutions found so far, by lambda

  // The best of the notebook's dictionary. Neighbours of a grid of weights in steps of half a decade share lam mu.
  const first = (table, ...places) => {
    const k = table[places.reduce((sum, [place, of]) => sum * of + place, 0)];
    return latent.slice(k * d, (k + 1) * d);
  };

  function* solve(method, y, { lam, mu, sigma, digit }) {
    const weight = lambdas[lam], data = [[sigma, sigmas.length], [digit, truths.length]];
    if (method === "tikhonov") return yield* tikhonov(A, y, weight);
    if (method === "tv") return yield* tv(A, y, [SIDE, SIDE], weight, { tol: 1e-4, maxIter: 400 });
    if (method === "relaxed") {
      const z0 = first(ofRelaxed, ...data, [lam, lambdas.length], [mu, mus.length]);
      return yield* lbfgs(reduced(G, A, y, weight, mus[mu]), z0);
    }
    // hard has the weight lam; and u = 0 solves sparse, but for the weight lam mu
    const both = method === "hard" ? lam + mus.length - 1 : lam + mu, all = lambdas.length + mus.length - 1;
    const z0 = first(ofHard, ...data, [both, all]);
    let z = z0;
    for (const state of lbfgs(hard(G, A, y, method === "hard" ? weight : weight * mus[mu]), z0)) {
      z = state.z;
      yield state;
    }
    if (method === "hard") return undefined;
    return yield* algorithm3(sparse(G, A, y, weight, mus[mu]), z, null, { stop: "objective", tol: 1e-5, maxIter: 120 });
  }

  // The chosen lambda first, then its neighbours, outwards.
  function* sweep(method, y, found, places) {
    const order = lambdas.map((_, k) => k).sort((a, b) => Math.abs(a - places.lam) - Math.abs(b - places.lam));
    for (const k of order) {
      if (found[k]) continue;
      let last = null;
      for (const state of solve(method, y, { ...places, lam: k })) {
        last = state;
        yield k === places.lam ? state : null;
      }
      found[k] = last;
    }
  }

  const begin = () => {
    const name = panel.value("method"), method = name.toLowerCase(), places = { ...panel.index };
    const two = method === "relaxed" || method === "sparse", { lam, mu, sigma, digit } = places;
    panel.enable("mu", two);
    const truth = truths[digit], y = A.forward(truth), drawn = noise.subarray(digit * N, (digit + 1) * N);
    for (let i = 0; i < N; i++) y[i] += sigmas[sigma] * drawn[i];
    const key = [method, two ? mu : "", sigma, digit].join();
    if (!cache.has(key)) cache.set(key, lambdas.map(() => null));
    const found = cache.get(key), ofData = psnr(y, truth), expected = sigmas[sigma] * Math.sqrt(A.m);
    views[0].draw(truth);
    views[1].draw(y, `data, ${ofData.toFixed(1)} dB`);
    formula.textContent = `${FORMULAS[method]},   λ = ${short(lambdas[lam], 2)},   μ = ${short(mus[mu], 2)}`
      + (two ? "" : " (not used by this method)");
    let newest = null;
    const show = (state, done) => {
      newest = found[lam] ?? state ?? newest;
      if (!newest) return;
      const { x } = newest, db = psnr(x, truth), misfit = Math.sqrt(squaredDistance(A.forward(x), y));
      root.tour = { state: newest, y, done, psnr: found.map(one => one && psnr(one.x, truth)) }; // for tests
      views[2].draw(x, `${name}, ${db.toFixed(1)} dB`);
      views[3].draw(x.map((v, i) => v - truth[i]));
      const here = Math.min(HIGH - 0.3, Math.max(LOW + 0.3, db)), { color, dash } = METHODS[method];
      const curve = lambdas.map((_, k) => root.tour.psnr[k] ?? NaN), known = lambdas.filter((_, k) => found[k]);
      quality.draw({ x: [7e-4, 14], y: [LOW, HIGH], title: "dotted: the data", layers: [
        { kind: "hline", at: ofData, color: "#1a1a1a", dash: "2 3" },
        { kind: "line", x: lambdas, y: curve, color, dash },
        { kind: "marks", x: known, y: curve.filter(Number.isFinite), color, size: 2.6 },
        { kind: "marks", x: [lambdas[lam]], y: [here], color: PALETTE.vermilion, size: 6 },
      ] });
      weight.put(lam, lambdas, `λ ${panel.label("lam")}`, here);
      let verdict = "as it should be";
      if (misfit < 0.93 * expected) verdict = "it fits the noise too";
      if (misfit > 1.07 * expected) verdict = "the data are not fully explained";
      const end = found[lam] ? (newest.status === "budget" ? "; iteration limit reached" : "")
        : ` (iteration ${newest.iterations})`;
      words.textContent = `misfit ‖A x − y‖ = ${misfit.toFixed(2)}, noise alone σ√m = ${expected.toFixed(2)}: `
        + verdict + end;
      if (done) say(page, `Shown: ${panel.words()}. ${name}, ${db.toFixed(1)} dB; ${words.textContent}.`);
    };
    root.tour = { done: false };
    start(sweep(method, y, found, places), show);
  };
  const weight = slide(page, quality, "λ on its curve", index => {
    panel.set("lam", index);
    begin();
  });
  const panel = controls(page, begin);
  begin();
}
