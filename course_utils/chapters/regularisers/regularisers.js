// Five methods on compressed sensing; number of measurements, noise and weights are all free. The matrix and the noise
// come from the seeds of the notebook.

import { sumOfSquares } from "../../live/linear.js";
import { randn } from "../../live/random.js";
import { gaussianMatrix } from "../../live/operators.js";
import { hard, relaxed, sparse } from "../../live/objectives.js";
import { algorithm1, algorithm2, algorithm3 } from "../../live/solvers.js";
import { tikhonov, tv } from "../../live/classical.js";
import { psnr } from "../../live/metrics.js";
import { PALETTE } from "../../explore/web/palette.js";
import { FORMULAS } from "../../explore/web/methods.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { chart } from "../../explore/web/chart.js";
import { short } from "../../explore/web/numbers.js";

export function run(page) {
  const { root, data } = page;
  const generators = loadGenerators(page), truths = loadImages(page, "digits", 784), d = data.d;
  const stored = float32(page, "candidates"), families = Object.keys(generators);
  const each = stored.length / d / families.length;
  const start = runner(page), matrices = new Map(), pictures = new Map();
  const titles = [
    "truth\n\u00a0", "data\nas A*y", "reconstruction\nx", "residual\n±0.6", "in the range\nG(z)", "deviation u\n±0.6",
  ];
  const views = titles.map((title, k) => imageView(title, { width: 99, span: k === 3 || k === 5 ? 0.6 : 0 }));
  const formula = make("p", { class: "cp-formula" }), numbers = make("p", {});
  const gauge = chart(page, "residual norm against the norm of the noise", { width: 420, height: 84, left: 14,
    xlog: true, xlabel: "‖A x − y‖;  dashed: σ√m", yticks: [] });
  stage(page, row(...views.map(view => view.element)), formula, numbers, gauge.element);

  // Made once: a matrix takes a blink, the images of the candidates two.
  const operator = m => {
    if (!matrices.has(m)) matrices.set(m, gaussianMatrix(m, 784, data.matrixSeed));
    return matrices.get(m);
  };
  const candidates = family => {
    if (!pictures.has(family)) {
      const first = families.indexOf(family) * each;
      pictures.set(family, Array.from({ length: each }, (_, k) => {
        const z = stored.slice((first + k) * d, (first + k + 1) * d);
        return { z, x: generators[family].forward(z) };
      }));
    }
    return pictures.get(family);
  };

  // Where to begin: the three candidates of least objective, each improved a little; the best of them by objective.
  function* promising(G, A, y, lam, family) {
    const misfit = x => sumOfSquares(A.forward(x).map((v, i) => v - y[i]));
    const score = ({ z, x }) => misfit(x) + lam * sumOfSquares(z);
    const ranked = candidates(family).map(one => ({ z: one.z, f: score(one) })).sort((a, b) => a.f - b.f).slice(0, 3);
    let best = null;
    for (const { z } of ranked) {
      let last = null;
      for (const state of algorithm1(hard(G, A, y, lam), z, { maxIter: 25 })) yield (last = state);
      if (best === null || last.objective < best.objective) best = last;
    }
    return best.z;
  }

  function* solve(method, G, A, y, lam, mu, family) {
    if (method === "tikhonov") return yield* tikhonov(A, y, lam);
    if (method === "tv") return yield* tv(A, y, [28, 28], lam, { tol: 1e-5, maxIter: 800 });
    const weight = method === "hard" ? lam : lam * mu, settings = { stop: "objective", tol: 1e-6 };
    const z0 = yield* promising(G, A, y, weight, family);
    let z = z0;
    for (const state of algorithm1(hard(G, A, y, weight), z0, { ...settings, maxIter: 150 })) {
      z = state.z;
      yield state;
    }
    // hard is done; the others begin where u = 0 is best
    settings.maxIter = 300;
    if (method === "relaxed") yield* algorithm2(relaxed(G, A, y, lam, mu), z, null, settings);
    if (method === "sparse") yield* algorithm3(sparse(G, A, y, lam, mu), z, null, settings);
    return undefined;
  }

  const begin = () => {
    const [method, family, lam, mu, m, sigma, image] =
      ["method", "generator", "lam", "mu", "m", "sigma", "image"].map(key => panel.value(key));
    const learned = method in { hard: 1, relaxed: 1, sparse: 1 }, twoWeights = learned && method !== "hard";
    panel.enable("mu", twoWeights);
    panel.enable("generator", learned);
    const truth = truths[image], A = operator(m), G = generators[family], noise = sigma * Math.sqrt(m);
    const draws = randn(data.noiseSeed, truths.length * m).subarray(image * m, (image + 1) * m);
    const y = A.forward(truth).map((v, i) => v + sigma * draws[i]);
    const back = A.adjoint(y), brightest = Math.max(...back);
    views[0].draw(truth);
    views[1].draw(back.map(v => v / brightest));
    formula.textContent = FORMULAS[method];
    const used = [`λ = ${short(lam, 2)}`, ...(twoWeights ? [`μ = ${short(mu, 2)}`] : []),
      ...(learned ? [data.titles[family]] : [])].join(", ");
    const show = (state, done) => {
      const last = state ?? root.regularisers.state, { x } = last;
      const u = learned ? last.u : null;
      root.regularisers = { state: last, done, y, A, truth }; // for tests
      views[2].draw(x);
      views[3].draw(x.map((v, i) => v - truth[i]));
      views[4].draw(u ? x.map((v, i) => v - u[i]) : x.map(() => 0.93), u ? titles[4] : "no\ngenerator");
      views[5].draw(u ?? x.map(() => 0), u ? titles[5] : "no\ngenerator");
      const residual = Math.sqrt(sumOfSquares(A.forward(x).map((v, i) => v - y[i])));
      const clamped = Math.min(9, Math.max(0.011, residual)), fit = residual / noise;
      let verdict = "fits to the noise level";
      if (!(noise > 0)) verdict = "there is no noise";
      else if (fit < 0.9) verdict = "fits the noise too";
      else if (fit > 1.1) verdict = "fits the data less than the noise allows";
      gauge.draw({ x: [0.01, 10], y: [0, 1], layers: [
        ...(noise > 0 ? [{ kind: "vline", at: noise, color: "#000" }] : []),
        { kind: "marks", x: [clamped], y: [0.5], color: PALETTE.vermilion, size: 7 },
      ] });
      const stopped = last.status === "budget" ? "; iteration limit reached" : "";
      const running = done ? stopped : ` (iteration ${last.iterations})`;
      const quality = `PSNR ${psnr(x, truth).toFixed(1)} dB, objective ${short(last.objective)}`;
      numbers.textContent = `${used}: ${quality}, ${verdict}${running}`;
      if (done) say(page, `Shown: ${panel.words()}. ${numbers.textContent}.`);
    };
    root.regularisers = { done: false };
    start(solve(method, G, A, y, lam, mu, family), show);
  };
  const panel = controls(page, begin);
  begin();
}
