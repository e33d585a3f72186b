// Algorithm 1 on the hard problem from three starts at once, drawn while it runs.

import { randn } from "../../live/random.js";
import { gaussianMatrix } from "../../live/operators.js";
import { hard } from "../../live/objectives.js";
import { algorithm1 } from "../../live/solvers.js";
import { psnr } from "../../live/metrics.js";
import { PALETTE } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { chart, legend } from "../../explore/web/chart.js";
import { short } from "../../explore/web/numbers.js";

const SETTINGS = { stop: "objective", tol: 1e-5, maxIter: 100 };

// One iteration of each run that has not ended, then the next: they advance side by side.
function* together(runs) {
  const states = runs.map(() => null), alive = runs.map(() => true);
  while (alive.some(Boolean)) {
    for (const [k, run] of runs.entries()) {
      if (!alive[k]) continue;
      const next = run.next();
      if (next.done) alive[k] = false;
      else states[k] = next.value;
    }
    yield states;
  }
}

export function run(page) {
  const { root, data } = page;
  const generators = loadGenerators(page), truths = loadImages(page, "digits", 784), d = data.d;
  // from its seed: stored in half precision, the matrix would send some of the runs to another digit
  const A = gaussianMatrix(data.m, 784, data.matrixSeed);
  const measured = float32(page, "data"), references = float32(page, "references");
  const start = runner(page);
  const axes = chart(page, "objective of the three runs", { width: 304, height: 250, left: 46, ylog: true,
    xlabel: "iteration of Algorithm 1", ylabel: "objective f(z)" });
  const histogram = chart(page, "histogram of the PSNR where fifty starts end", { width: 214, height: 250, left: 42,
    xlabel: "PSNR at the end (dB)", ylabel: "starts" });
  const styles = [["blue", "none"], ["vermilion", "7 4"], ["green", "7 3 2 3"]]
    .map(([name, dash]) => ({ color: PALETTE[name], dash }));
  const views = ["truth", "start G(z)", "now G(z)", "residual, ±0.6", "dictionary"]
    .map((title, k) => imageView(title, { width: 100, span: k === 3 ? 0.6 : 0 }));
  const words = make("p", {});
  const key = legend([
    ...styles.map((style, k) => ({ ...style, text: `start ${k + 1}` })),
    { color: "#000", dash: "2 3", text: "dictionary" },
  ]);
  const grid = make("div", { class: "cp-row", style: "flex: 1 1 326px" }, ...views.map(view => view.element));
  const ends = make("div", { style: "flex: 0 1 214px" }, histogram.element);
  stage(page, row(make("div", { style: "flex: 0 1 304px" }, axes.element, key), ends, grid), words);

  // A start is a draw from N(0, I), whatever the generator: three of them, the same as in the notebook.
  const startsOf = seed => {
    const draws = randn(seed, 3 * d);
    return [0, 1, 2].map(k => draws.slice(k * d, (k + 1) * d));
  };
  let now = null;

  const solve = () => {
    const family = panel.value("generator"), image = panel.value("image"), lam = panel.value("lam");
    const G = generators[family], y = measured.slice(image * data.m, (image + 1) * data.m);
    const objective = hard(G, A, y, lam), f = Object.keys(generators).indexOf(family);
    const lambdas = data.controls.find(control => control.key === "lam").labels.length;
    const place = ((f * truths.length + image) * lambdas + panel.index.lam) * d;
    const best = references.slice(place, place + d), z0 = startsOf(panel.index.seed);
    now = {
      truth: truths[image], curves: [[], [], []], done: false,
      first: z0.map(z => G.forward(z)), counts: data.ends[family][image],
      reference: { objective: objective.value(best), x: G.forward(best) },
    };
    root.initialisation = now; // for tests
    // each run has an objective of its own: it keeps arrays between its steps
    const runs = z0.map(z => algorithm1(hard(G, A, y, lam), z, SETTINGS));
    start(recorded(together(runs), now.curves), (states, done) => {
      if (states) now.states = states;
      now.done = done;
      draw();
    });
  };

  function* recorded(run, curves) {
    for (const states of run) {
      states.forEach((state, k) => { curves[k][state.iterations] = state.objective; });
      yield states;
    }
  }

  const draw = () => {
    if (!now?.states) return;
    const k = panel.value("start") - 1, { states, curves, reference } = now, state = states[k];
    const longest = Math.max(10, ...curves.map(curve => curve.length - 1));
    const bottom = Math.min(reference.objective, ...states.map(s => s.objective));
    const top = Math.max(...curves.map(curve => curve[0]));
    axes.draw({ x: [0, 1.02 * longest], y: [0.8 * bottom, 1.3 * top], layers: [
      { kind: "hline", at: reference.objective, dash: "2 3" },
      ...curves.map((curve, i) => ({ kind: "line", x: curve.map((_, n) => n), y: curve, ...styles[i],
        alpha: i === k ? 1 : 0.4, width: i === k ? 2.6 : 1.6 })),
      ...states.map((s, i) => ({ kind: "marks", x: [s.iterations], y: [s.objective], color: styles[i].color,
        size: i === k ? 5 : 3.5, alpha: i === k ? 1 : 0.5 })),
    ] });
    const db = x => psnr(x, now.truth).toFixed(1), { bins } = data, last = bins.length - 1;
    histogram.draw({ x: [bins[0], bins[last]], y: [0, 1.05 * Math.max(...now.counts)],
      title: `50 starts, λ = ${short(data.lam)}`, layers: [
        { kind: "bars", x: bins.slice(0, last).map((low, i) => (low + bins[i + 1]) / 2), y: now.counts, width: 1,
          colors: now.counts.map(() => "#999") },
        { kind: "vline", at: psnr(state.x, now.truth), width: 2.6, ...styles[k] },
      ] });
    views[0].draw(now.truth, "truth\n\u00a0"); // two lines each, so that the images stand in line
    views[1].draw(now.first[k], "start G(z)\n\u00a0");
    views[2].draw(state.x, `${now.done ? "end" : "now"} G(z)\n${db(state.x)} dB`);
    views[3].draw(state.x.map((v, i) => v - now.truth[i]), "residual\n±0.6");
    views[4].draw(reference.x, `dictionary\n${db(reference.x)} dB`);
    const excess = state.objective / reference.objective - 1;
    const order = states.every(s => s.objective >= state.objective) ? "the lowest" : "not the lowest";
    const moving = now.done ? (state.status === "budget" ? ", still moving" : "") : ", running";
    words.textContent =
      `Start ${k + 1}: f = ${short(state.objective)} after ${state.iterations} iterations${moving}, ` +
      `${order} of the three; ${Math.round(100 * Math.abs(excess))} per cent ${excess > 0 ? "above" : "below"} ` +
      `the ${short(reference.objective)} from the dictionary.`;
    if (now.done) say(page, `Shown: ${panel.words()}. ${words.textContent}`);
  };

  const panel = controls(page, key => (key === "start" ? draw() : solve()));
  solve();
}
