// Denoising, A = I: min ||x - y||^2 + lambda R(x) with Tikhonov or TV, of a signal or a digit, for all lambda of the
// slider.

import { identity } from "../../live/operators.js";
import { tikhonov, tv } from "../../live/classical.js";
import { psnr } from "../../live/metrics.js";
import { PALETTE, METHODS } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { imageView } from "../../explore/web/image.js";
import { chart, legend } from "../../explore/web/chart.js";
import { slide } from "../../explore/web/slide.js";
import { short } from "../../explore/web/numbers.js";

export function run(page) {
  const { root, data } = page;
  const objects = Object.fromEntries(["signal", "digit"].map(kind => [
    kind, { truth: float32(page, `${kind} x`), noise: float32(page, `${kind} n`) },
  ]));
  const lambdas = data.controls.find(control => control.key === "lam").values, start = runner(page), span = 0.6;
  const line = chart(page, "signal, data and reconstruction", { height: 250, width: 390, left: 46, xlabel: "place",
    ylabel: "value" });
  const quality = chart(page, "PSNR over lambda", { height: 250, width: 246, left: 46, xlog: true, xlabel: "λ",
    ylabel: "PSNR (dB)" });
  const views = ["truth", "data", "reconstruction", "residual, ±0.6"]
    .map((title, k) => imageView(title, { width: 126, span: k === 3 ? span : 0 }));
  const images = make("div", { class: "cp-row", style: "flex: 0 1 390px" }, ...views.map(view => view.element));
  const key = make("div", {}), words = make("p", {});
  stage(page, row(line.element, images, quality.element), key, words);
  const cache = new Map(); // "kind sigma method": the solutions found so far, by lambda

  // The chosen lambda of the chosen method first, then the others for the curves.
  function* solve(kind, method, sigma, now) {
    const { truth, noise } = objects[kind], y = truth.map((v, i) => v + sigma * noise[i]);
    const A = identity(y.length), settings = { tol: 1e-6, maxIter: 3000 };
    const shape = kind === "digit" ? [28, 28] : y.length;
    for (const m of [method, ...Object.keys(data.titles).filter(other => other !== method)]) {
      const name = `${kind} ${sigma} ${m}`;
      if (!cache.has(name)) cache.set(name, lambdas.map(() => null));
      const found = cache.get(name), order = lambdas.map((_, k) => k);
      if (m === method) order.unshift(now);
      for (const k of order) {
        if (found[k]) continue;
        const lam = lambdas[k];
        const solver = m === "tikhonov" ? tikhonov(A, y, lam) : tv(A, y, shape, lam, settings);
        let last = null;
        for (const state of solver) {
          last = state;
          if (state.iterations % 50 === 49) yield null; // a breath for the page, nothing to show yet
        }
        found[k] = { x: last.x, psnr: Math.min(60, psnr(last.x, truth)) };
        yield found;
      }
    }
  }

  const begin = () => {
    const [kind, method, sigma] = ["kind", "method", "sigma"].map(key => panel.value(key)), now = panel.index.lam;
    const { truth, noise } = objects[kind], y = truth.map((v, i) => v + sigma * noise[i]);
    const color = METHODS[method].color, isLine = kind === "signal", place = truth.map((_, i) => i);
    line.element.style.display = isLine ? "" : "none";
    images.hidden = isLine;
    key.replaceChildren(legend([
      ...(isLine ? [{ color: "#999", text: "truth" }, { color: PALETTE.sky, mark: "dot", text: "data" }] : []),
      ...Object.entries(data.titles).map(([m, text]) => ({ color: METHODS[m].color, dash: METHODS[m].dash, text })),
    ]));
    start(solve(kind, method, sigma, now), (_, done) => {
      const solution = cache.get(`${kind} ${sigma} ${method}`)?.[now];
      if (!solution) return;
      const title = `${data.titles[method]}, ${solution.psnr.toFixed(1)} dB`;
      root.denoising = { x: solution.x, done }; // for tests
      if (isLine) {
        line.draw({ x: [0, truth.length - 1], y: [-0.55, 1.6], title, layers: [
          { kind: "line", x: place, y: truth, color: "#999", width: 3.5 },
          { kind: "marks", x: place, y, color: PALETTE.sky, size: 2.4 },
          { kind: "line", x: place, y: solution.x, color },
        ] });
      } else {
        views[0].draw(truth);
        views[1].draw(y);
        views[2].draw(solution.x, title);
        views[3].draw(solution.x.map((v, i) => v - truth[i]));
      }
      const curves = Object.keys(data.titles).map(m => {
        const found = cache.get(`${kind} ${sigma} ${m}`) ?? [];
        const values = lambdas.map((_, k) => found[k]?.psnr ?? NaN);
        return { kind: "line", x: lambdas, y: values, color: METHODS[m].color, dash: METHODS[m].dash };
      });
      const here = { kind: "marks", x: [lambdas[now]], y: [Math.min(45, solution.psnr)], color, size: 6 };
      quality.draw({ x: [8e-4, 40], y: [5, 45], layers: [...curves, here] });
      weight.put(now, lambdas, `λ ${panel.label("lam")}`, here.y[0]);
      const best = Object.values(data.titles).map((name, i) => `${name} ${Math.max(...curves[i].y).toFixed(1)} dB`);
      const end = done ? ` The best λ gives: ${best.join(", ")}.` : "";
      words.textContent = `${title} at λ = ${short(lambdas[now], 2)}.${end}`;
      if (done) say(page, `Shown: ${panel.words()}. ${words.textContent}`);
    });
  };
  const weight = slide(page, quality, "λ on its curve", index => {
    panel.set("lam", index);
    begin();
  });
  const panel = controls(page, begin);
  begin();
}
