// The counterexample: G(z) = (z, z^2), A = I, y = (y1, 4). Every global minimiser, for hard, relaxed and sparse.

import { PALETTE, METHODS } from "../../explore/web/palette.js";
import { make } from "../../explore/web/dom.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage } from "../../explore/web/stage.js";
import { chart, legend } from "../../explore/web/chart.js";
import { slide } from "../../explore/web/slide.js";
import { short } from "../../explore/web/numbers.js";

const Y2 = 4, REACH = 3.2, POINTS = 3201, TIE = 1e-9;
export const Z = Float64Array.from({ length: POINTS }, (_, k) => -REACH + (2 * REACH * k) / (POINTS - 1));

const huber = (r, lam) => (Math.abs(r) <= lam / 2 ? r * r : lam * Math.abs(r) - (lam * lam) / 4);

// The objective of z, with x (relaxed) or u (sparse) at its best.
function reduced(method, z, y1, lam, mu) {
  const r1 = y1 - z, r2 = Y2 - z * z;
  if (method === "hard") return r1 * r1 + r2 * r2 + lam * z * z;
  if (method === "relaxed") return (lam / (1 + lam)) * (r1 * r1 + r2 * r2) + lam * mu * z * z;
  return huber(r1, lam) + huber(r2, lam) + lam * mu * z * z;
}

// The reconstruction that belongs to z.
function reconstruction(method, z, y1, lam) {
  const g = [z, z * z], r = [y1 - z, Y2 - z * z];
  if (method === "hard") return g;
  if (method === "relaxed") return g.map((v, i) => v + r[i] / (1 + lam));
  return g.map((v, i) => v + Math.sign(r[i]) * Math.max(Math.abs(r[i]) - lam / 2, 0));
}

// All global minimisers z with their reconstructions x, and the objective over Z.
export function solveParabola(method, y1, lam, mu) {
  const f = z => reduced(method, z, y1, lam, mu);
  const objective = Z.map(f), found = [];
  for (let i = 1; i < POINTS - 1; i++) {
    if (!(objective[i] <= objective[i - 1] && objective[i] < objective[i + 1])) continue;
    let z = Z[i], width = Z[1] - Z[0];
    for (let k = 0; k < 40; k++, width *= 2 / 3) z += f(z - width / 3) < f(z + width / 3) ? -width / 3 : width / 3;
    found.push(z);
  }
  const least = Math.min(...found.map(f)), tie = TIE * (1 + Math.abs(least));
  const z = found.filter(v => f(v) <= least + tie).filter((v, i, all) => i === 0 || v - all[i - 1] > 1e-3);
  return { z, x: z.map(v => reconstruction(method, v, y1, lam)), objective };
}

export function run(page) {
  const plane = chart(page, "the plane with the parabola", { width: 216, height: 236, left: 40, yticks: [0, 2, 4, 6],
    xticks: [-2, 0, 2], xlabel: "first coordinate", ylabel: "second coordinate" });
  const valley = chart(page, "objective over z", { width: 202, height: 236, xticks: [-2, 0, 2], xlabel: "z",
    ylabel: "objective, best x" });
  const answer = chart(page, "solution over datum", { width: 202, height: 236, xticks: [-0.5, 0, 0.5],
    yticks: [-2, -1, 0, 1, 2], xlabel: "datum y₁", ylabel: "solution x₁" });
  const data = page.data.controls.find(control => control.key === "y1").values;
  const caption = make("p", {});
  const key = make("div", {});
  stage(page, caption, row(plane.element, valley.element, answer.element), key);
  const line = (x, y, more) => ({ kind: "line", x, y, ...more });

  const draw = () => {
    const method = panel.value("method"), y1 = panel.value("y1"), lam = panel.value("lam"), mu = panel.value("mu");
    panel.enable("mu", method !== "hard");
    const color = METHODS[method].color, now = solveParabola(method, y1, lam, mu);
    const count = `${now.z.length} minimiser${now.z.length > 1 ? "s" : ""}`;
    const dotted = { dash: "2 3", color: "#444", width: 1 };
    const links = now.z.map((z, i) => line([y1, now.x[i][0], z], [Y2, now.x[i][1], z * z], dotted));
    plane.draw({ x: [-3, 3], y: [-0.7, 6.9], title: count, layers: [
      line(Z, Z.map(z => z * z), { color: "#999" }), ...links,
      { kind: "marks", x: now.z, y: now.z.map(z => z * z), color, size: 5.5, hollow: true },
      { kind: "marks", x: now.x.map(x => x[0]), y: now.x.map(x => x[1]), color, size: 5 },
      { kind: "marks", x: [y1], y: [Y2], cross: true, size: 5, color: PALETTE.black },
    ] });
    const at = z => reduced(method, z, y1, lam, mu);
    const low = Math.min(...now.objective), high = Math.max(at(0), at(2.6), low + 1e-3), span = high - low;
    valley.draw({ x: [-3, 3], y: [low - 0.12 * span, high + 0.25 * span], layers: [
      line(Z, now.objective, { color }), { kind: "marks", x: now.z, y: now.z.map(at), color, size: 5 },
    ] });
    const branch = { x: [], y: [] };
    for (let k = -30; k <= 30; k++) {
      for (const x of solveParabola(method, k / 50, lam, mu).x) {
        branch.x.push(k / 50);
        branch.y.push(x[0]);
      }
    }
    answer.draw({ x: [-0.62, 0.62], y: [-2.4, 2.4], layers: [
      { kind: "marks", ...branch, color, size: 1.8 },
      { kind: "marks", x: now.x.map(() => y1), y: now.x.map(x => x[0]), color, size: 5 },
    ] });
    datum.put(panel.index.y1, data, `y₁ ${panel.label("y1")}`);
    const left = solveParabola(method, -0.005, lam, mu).x[0], right = solveParabola(method, 0.005, lam, mu).x.at(-1);
    const factor = Math.hypot(right[0] - left[0], right[1] - left[1]) / 0.01;
    const weights = `λ = ${short(lam, 2)}${method === "hard" ? "" : `, μ = ${short(mu, 2)}`}`;
    caption.textContent =
      `${method}, ${weights}: from y₁ = −0.005 to 0.005 the solution moves ${short(factor)} times as far`;
    key.replaceChildren(legend([
      { color: "#999", text: "range of G" }, { color: "#000", mark: "cross", text: "y" },
      { color, mark: "dot", text: "x" }, { color, mark: "hollow", text: "G(z)" },
    ]));
    const list = now.x.map(x => short(x[0])).join(" and ");
    say(page, `Shown: ${panel.words()}: ${count}, x₁ = ${list}.`);
  };
  const datum = slide(page, answer, "datum y₁", index => {
    panel.set("y1", index);
    draw();
  });
  const panel = controls(page, draw);
  draw();
}
