// An object that is turned, and three networks that learned upright ones: data, reconstructions and errors are made
// here, the curves over the angle were computed beforehand.

import { norm } from "../../live/linear.js";
import { decodeFloat16 } from "../../live/float16.js";
import { randn } from "../../live/random.js";
import { parallelBeam } from "../../live/rays.js";
import { reconstructor } from "../../live/reconstructor.js";
import { psnr } from "../../live/metrics.js";
import { chart, legend } from "../../explore/web/chart.js";
import { loadImages, imageView } from "../../explore/web/image.js";
import { short } from "../../explore/web/numbers.js";
import { controls, say } from "../../explore/web/page.js";
import { PALETTE } from "../../explore/web/palette.js";
import { row, stage, runner } from "../../explore/web/stage.js";
import { bytes } from "../../explore/web/stored.js";

const DASHES = { "-": "none", "--": "7 4", "-.": "7 3 2 3" }, GREY = "#737373";

// Keys' cubic through four neighbours, with torch's constant: their weights at t of the way from the second to the
// third.
function cubic(t) {
  const a = -0.75, near = s => ((a + 2) * s - (a + 3)) * s * s + 1, far = s => ((a * s - 5 * a) * s + 8 * a) * s - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

// The image turned counter-clockwise: exactly by quarter turns, else by bicubic interpolation, 0 outside.
function turnedImage(x, n, degrees) {
  const middle = (n - 1) / 2, exact = degrees % 90 === 0, angle = (degrees * Math.PI) / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)].map(exact ? Math.round : value => value);
  const at = (line, column) => (line >= 0 && line < n && column >= 0 && column < n ? x[line * n + column] : 0);
  return Float32Array.from({ length: n * n }, (_, i) => {
    const right = (i % n) - middle, down = Math.floor(i / n) - middle;
    const column = c * right - s * down + middle, line = s * right + c * down + middle;
    if (exact) return at(line, column);
    const left = Math.floor(column), top = Math.floor(line);
    const across = cubic(column - left), along = cubic(line - top);
    let sum = 0;
    for (let p = 0; p < 4; p++) {
      for (let q = 0; q < 4; q++) sum += along[p] * across[q] * at(top + p - 1, left + q - 1);
    }
    return sum;
  });
}

// The data of the turned object: the same views under other numbers, mirrored where they are seen from behind.
function turnedData(y, { views, bins }, steps) {
  return Float32Array.from({ length: y.length }, (_, i) => {
    const old = Math.floor(i / bins) - steps, round = Math.floor(old / views), bin = i % bins;
    return y[(old - round * views) * bins + (round % 2 === 0 ? bin : bins - 1 - bin)];
  });
}

export function run(page) {
  const { root, data } = page;
  const { size, views, step, angles, spans } = data, names = Object.keys(data.networks), start = runner(page);
  const A = parallelBeam(size, views, Math.PI), objects = loadImages(page, "objects", A.n, data.white);
  const noise = randn(data.noise.seed, data.noise.images * A.m), clean = objects.map(x => A.forward(x));
  const decoded = Object.fromEntries( // damaged weights throw here, before anything moves
    names.map(name => [name, decodeFloat16(bytes(page, `weights of ${name}`))]));
  const networks = {};
  const kept = Float32Array.from({ length: A.n }, (_, i) => {
    const right = (i % size) - (size - 1) / 2, down = Math.floor(i / size) - (size - 1) / 2;
    return right * right + down * down <= (size / 2) ** 2 ? 1 : 0; // the circle that every turn keeps
  });
  const within = x => norm(x.map((value, i) => kept[i] * value)), minus = (x, z) => x.map((value, i) => value - z[i]);
  const upright = new Map();

  const options = { size, width: 150 };
  const above = names.map(name => imageView(name, options));
  const below = names.map(name => imageView(`${name}, difference`, { ...options, span: 1 }));
  const object = imageView("object", options), scan = imageView("its data", { size: A.bins, rows: views, width: 150 });
  const color = name => PALETTE[data.looks[name][0]], dash = name => DASHES[data.looks[name][1]];
  const axes = { width: 315, height: 210, xlabel: "angle (degrees)", xticks: [-180, -90, 0, 90, 180], left: 44 };
  const charts = {
    error: chart(page, "equivariance error over the angle, of three networks and of interpolation alone", axes),
    psnr: chart(page, "PSNR over the angle, of three networks", axes),
  };
  const key = legend([
    ...names.map(name => ({ color: color(name), dash: dash(name), text: name })),
    { color: GREY, dash: "2 3", text: `error: ${data.grey.error[2]}` },
    { color: GREY, dash: "2 3", text: `PSNR: ${data.grey.psnr[2]}` },
  ]);
  stage(page, row(object.element, ...above.map(view => view.element)), row(scan.element, ...below.map(v => v.element)),
    row(charts.error.element, charts.psnr.element), key);

  function* solve(name, y) {
    networks[name] ??= reconstructor(data.networks[name], decoded[name], A);
    let last = null;
    for (const state of networks[name](y)) yield (last = state);
    return last.x;
  }

  // Each network on the upright data, once for each scan, and on the turned data.
  function* all(image, sigma, y, moved) {
    const found = {};
    for (const name of names) {
      const which = `${name} ${image} ${sigma}`;
      if (!upright.has(which)) upright.set(which, yield* solve(name, y));
      found[name] = { upright: upright.get(which), x: yield* solve(name, moved) };
    }
    yield found;
  }

  const draw = (found, angle, sigma, difference) => {
    names.forEach((name, k) => {
      const { x, psnr: quality, error } = found[name];
      above[k].draw(x, `${name},\n${quality.toFixed(1)} dB`);
      const digits = error === 0 ? "0" : error >= 5e-4 ? error.toFixed(3) : short(error, 1);
      const span = spans[difference], shown = found[name][difference].map(value => value / span);
      below[k].draw(shown, `${name}, ±${span}\nerror ${digits}`);
    });
    const curve = name => data.curves.find(part => part.name === name && part.sigma === sigma);
    for (const [what, title] of [["error", "equivariance error"], ["psnr", "PSNR (dB)"]]) {
      const layers = [{ kind: "vline", at: angle, color: GREY, width: 1, dash: "none" }];
      for (const name of names) {
        layers.push({ kind: "line", x: angles, y: curve(name)[what], color: color(name), dash: dash(name) });
        layers.push({ kind: "marks", x: [angle], y: [found[name][what]], color: color(name) });
      }
      const [of, key] = data.grey[what];
      layers.push({ kind: "line", x: angles, y: curve(of)[key], color: GREY, dash: "2 3" });
      charts[what].draw({ x: [-180, 180], y: data.ranges[what], layers, title });
    }
  };

  const begin = () => {
    const [angle, image, sigma, difference] = ["angle", "image", "sigma", "difference"].map(name => panel.value(name));
    const y = clean[image].map((value, i) => value + sigma * noise[image * A.m + i]);
    const moved = turnedData(y, A, Math.round(angle / step)), truth = turnedImage(objects[image], size, angle);
    object.draw(truth, `object,\nturned by ${panel.label("angle")}°`);
    scan.draw(moved.map(value => value / data.brightest), `its data,\nnoise ${sigma}`);
    root.turn = { done: false };
    let latest = null;
    start(all(image, sigma, y, moved), (newest, done) => {
      latest = newest ?? latest;
      if (!done) return;
      const found = latest;
      for (const part of Object.values(found)) {
        part.moved = minus(part.x, turnedImage(part.upright, size, angle));
        part.true = minus(part.x, truth);
        part.error = within(part.moved) / within(part.upright);
        part.psnr = psnr(part.x, truth);
      }
      draw(found, angle, sigma, difference);
      root.turn = { done, y: moved, truth, found }; // for tests
      const words = names.map(name => `${name} ${found[name].error.toPrecision(2)}, ${found[name].psnr.toFixed(1)} dB`);
      say(page, `Shown: ${panel.words()}. Equivariance error and PSNR: ${words.join("; ")}.`);
    });
  };
  const panel = controls(page, begin);
  begin();
}
