// Four iterations on a scan of few views: each is run once for a noise level, then the slider shows another place of
// its way.

import { norm, squaredDistance } from "../../live/linear.js";
import { randn } from "../../live/random.js";
import { parallelBeam } from "../../live/rays.js";
import { landweber, cgls, mlem } from "../../live/iterative.js";
import { PALETTE } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { bytes } from "../../explore/web/stored.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { chart, legend } from "../../explore/web/chart.js";
import { short } from "../../explore/web/numbers.js";

export function run(page) {
  const { root, data } = page;
  const size = data.size, truth = loadImages(page, "shapes", size * size, data.white)[0], length = norm(truth);
  const counts = new Uint16Array(bytes(page, "counts").buffer), start = runner(page), found = new Map();
  const stops = data.controls.find(control => control.key === "k").values, last = stops.at(-1);
  const methods = Object.keys(data.titles), options = { size, width: 150 };
  const views = {
    truth: imageView("truth", options),
    x: imageView("iterate", options),
    error: imageView(`error, ±${data.span}`, { ...options, span: data.span }),
  };
  const curves = chart(page, "relative error over the number of iterations", { width: 352, height: 262, left: 46,
    xlog: true, ylog: true, xlabel: "iterations k", ylabel: "relative error ‖xₖ − x‖ / ‖x‖", xticks: [1, 10, 100] });
  const key = make("div", {}), words = make("p", {}), noise = make("p", {});
  stage(page, row(...Object.values(views).map(view => view.element), curves.element), key, words, noise);

  const few = value => (value < 10 ? short(value, 2) : value.toFixed(0));
  let A = null, clean = null, gaussian = null;
  const measured = (method, place, sigma) => {
    if (method === "mlem") return Float32Array.from(counts.subarray(place * A.m, (place + 1) * A.m));
    return clean.map((value, i) => value + sigma * gaussian[i]);
  };
  const iteration = (method, y) => {
    if (method === "mlem") return mlem(A, y);
    return method === "cgls" ? cgls(A, y) : landweber(A, y, { accelerated: method === "nesterov" });
  };

  // The way of each method that is not known yet, the chosen one first; each yield is a breath for the page.
  function* solve(chosen, place, sigma) {
    if (A === null) {
      A = parallelBeam(size, data.views, Math.PI);
      clean = A.forward(truth);
      gaussian = randn(data.noiseSeed, A.m);
    }
    for (const method of [chosen, ...methods.filter(other => other !== chosen)]) {
      const name = `${method} ${place}`;
      if (found.get(name)?.error.length > last) continue;
      const factor = method === "mlem" ? data.factors[place] : 1, level = data.levels[method][place];
      const way = { error: [], images: new Map(), best: 0, stop: null };
      found.set(name, way);
      for (const { iterations: k, misfit, x } of iteration(method, measured(method, place, sigma))) {
        const image = factor === 1 ? x : x.map(value => value / factor);
        way.error.push(Math.sqrt(squaredDistance(image, truth)) / length);
        if (stops.includes(k)) way.images.set(k, image);
        if (way.error[k] < way.error[way.best]) way.best = k;
        if (way.stop === null && misfit <= level) way.stop = k;
        if (k === last) break;
        yield null;
      }
    }
  }

  const draw = (method, k, place, sigma, done) => {
    const way = found.get(`${method} ${place}`), title = data.titles[method], color = data.colors[method];
    if (!way?.images.has(k)) return;
    const x = way.images.get(k), full = way.error.length > last, [low, high] = data.limits;
    views.truth.draw(truth);
    views.x.draw(x, `${title}, k = ${k}`);
    views.error.draw(x.map((value, i) => value - truth[i]));
    const layers = methods.flatMap(other => {
      const error = found.get(`${other} ${place}`)?.error ?? [], mine = other === method;
      return [{ kind: "line", x: error.map((_, i) => i).slice(1), y: error.slice(1), color: data.colors[other],
        dash: data.dashes[other], width: mine ? 2.8 : 1.5, alpha: mine ? 1 : data.faint }];
    });
    const mark = (at, more) => { // k = 0 has no place on a logarithmic axis
      if (at) layers.push({ kind: "marks", x: [at], y: [Math.min(high, way.error[at])], ...more });
    };
    if (full) mark(way.best, { color: PALETTE.black, size: 7, hollow: true });
    mark(k, { color, size: 5 });
    if (full) mark(way.stop, { color: PALETTE.orange, size: 5, cross: true });
    curves.draw({ x: [0.9, 330], y: [low, high], layers });
    key.replaceChildren(legend([
      ...methods.map(other => ({ color: data.colors[other], dash: data.dashes[other], text: data.titles[other] })),
      { color, mark: "dot", text: "shown" },
      { color: PALETTE.black, mark: "hollow", text: "best" },
      { color: PALETTE.orange, mark: "cross", text: "discrepancy principle" },
    ]));
    const stop = way.stop === null ? `does not stop within ${last} iterations`
      : `stops at k = ${way.stop}, with ${way.error[way.stop].toFixed(3)}`;
    words.textContent = `Relative error ${way.error[k].toFixed(3)}` + (full ? `; the best is ` +
      `${way.error[way.best].toFixed(3)}, at k = ${way.best}. The discrepancy principle ${stop}.` : ".");
    const mean = counts.subarray(place * A.m, (place + 1) * A.m).reduce((sum, count) => sum + count, 0) / A.m;
    noise.textContent = method === "mlem"
      ? `Counts from Poisson(s Ax), s = mean(Ax) / σ² = ${few(data.factors[place])}; ${few(mean)} a ray in the mean, ` +
        `as much noise as Gaussian of σ = ${short(sigma, 2)}. The level is m / 2.`
      : `Gaussian noise of σ = ${short(sigma, 2)}; the largest datum is ${Math.max(...clean).toFixed(2)}.`;
    root.iterations = { x, error: way.error, best: way.best, stop: way.stop, done }; // for tests
    if (done) say(page, `Shown: ${panel.words()}. ${words.textContent}`);
  };

  const begin = () => {
    const [method, k, sigma] = ["method", "k", "sigma"].map(name => panel.value(name)), place = panel.index.sigma;
    root.iterations = { done: false };
    start(solve(method, place, sigma), (_, done) => draw(method, k, place, sigma, done));
  };
  const panel = controls(page, begin);
  begin();
}
