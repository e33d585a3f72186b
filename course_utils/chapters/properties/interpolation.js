// A triangle of three digits: its dot can be dragged, moved by the arrow keys, or by the two sliders.

import { norm } from "../../live/linear.js";
import { PALETTE } from "../../explore/web/palette.js";
import { shape } from "../../explore/web/svg.js";
import { controls, say } from "../../explore/web/page.js";
import { row, stage } from "../../explore/web/stage.js";
import { float32 } from "../../explore/web/stored.js";
import { imageView } from "../../explore/web/image.js";
import { loadGenerators } from "../../explore/web/generators.js";
import { chart } from "../../explore/web/chart.js";

const STEPS = {
  ArrowLeft: ["alpha1", -1], ArrowRight: ["alpha1", 1], ArrowDown: ["alpha2", -1], ArrowUp: ["alpha2", 1],
};

export function run(page) {
  const { root, data, guarded } = page;
  const generators = loadGenerators(page), families = Object.keys(generators);
  const numbers = float32(page, "corners"), d = data.d;
  const corners = Object.fromEntries(families.map((family, f) => [
    family, [0, 1, 2].map(k => numbers.subarray((3 * f + k) * d, (3 * f + k + 1) * d)),
  ]));
  const place = chart(page, "triangle of the digits", { width: 204, height: 196, left: 46, xlabel: "α1", ylabel: "α2",
    xticks: [0, 0.5, 1], yticks: [0, 0.5, 1] });
  const svg = place.element;
  svg.setAttribute("role", "group"); // its dot can be moved, so it is more than a picture
  svg.style.touchAction = "none"; // a finger drags the dot, not the page
  const dot = shape("circle", { r: 8, fill: PALETTE.blue, stroke: "#fff", "stroke-width": 1.5, tabindex: 0,
    role: "slider", cursor: "grab", "aria-valuemin": 0, "aria-valuemax": 1, "data-lm-suppress-shortcuts": "true",
    "aria-label": "place in the triangle; left and right change α1, up and down α2" });
  svg.append(dot);
  const images = Object.fromEntries(families.map(family => [family, imageView(data.titles[family], { width: 132 })]));
  stage(page, row(svg, ...families.map(family => images[family].element)));

  const draw = () => {
    const a = panel.value("alpha1"), b = panel.value("alpha2");
    place.draw({ x: [-0.1, 1.2], y: [-0.1, 1.2], layers: [
      { kind: "line", x: [0, 1, 0, 0], y: [0, 0, 1, 0], color: "#777", width: 1.2 },
      ...data.digits.map((digit, k) => (
        { kind: "text", x: [0.02, 1.03, 0.02][k], y: [0.03, 0.03, 1.04][k], text: digit }
      )),
    ] });
    const [x, y] = place.toPixel(a, b);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    dot.setAttribute("aria-valuenow", a);
    dot.setAttribute("aria-valuetext", `α1 ${panel.label("alpha1")}, α2 ${panel.label("alpha2")}`);
    const said = [];
    root.interpolation = {};
    for (const family of families) {
      const [z1, z2, z3] = corners[family];
      const z = z1.map((v, k) => v + a * (z2[k] - v) + b * (z3[k] - v));
      const image = generators[family].forward(z), title = `${data.titles[family]}: ‖z‖ = ${norm(z).toFixed(1)}`;
      root.interpolation[family] = { z, image }; // for tests
      images[family].draw(image, title);
      said.push(title);
    }
    say(page, `Shown: ${panel.words()}. ${said.join("; ")}.`);
  };
  const panel = controls(page, draw);
  const stops = data.controls[0].labels.length - 1;
  const put = (key, index) => panel.set(key, Math.max(0, Math.min(stops, index)));
  draw();

  dot.addEventListener("keydown", guarded(event => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault(); // the page must not scroll
    put(step[0], panel.index[step[0]] + step[1]);
    draw();
  }));
  const drag = guarded(event => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const [a, b] = place.toData((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    put("alpha1", Math.round(a * stops));
    put("alpha2", Math.round(b * stops));
    draw();
  });
  svg.addEventListener("pointerdown", guarded(event => {
    svg.setPointerCapture(event.pointerId);
    drag(event);
    dot.focus();
  }));
  svg.addEventListener("pointermove", guarded(event => {
    if (svg.hasPointerCapture(event.pointerId)) drag(event);
  }));
}
