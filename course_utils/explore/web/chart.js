// Curves, marks and bars as SVG.

import { make } from "./dom.js";
import { shape } from "./svg.js";
import { short } from "./numbers.js";

// Where the ticks stand: powers of ten (with 2 and 5 where those are few), or multiples of 1, 2 or 5.
function ticks([low, high], log, most = 6) {
  const marks = [];
  if (log) {
    const decades = Math.log10(high / low);
    const factors = decades > 2.5 ? [1] : [1, 2, 5];
    const jump = Math.max(1, Math.ceil(decades / most));
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) {
      for (const factor of factors) {
        const mark = factor * 10 ** p;
        if (p % jump === 0 && mark >= low * 0.999 && mark <= high * 1.001) marks.push(mark);
      }
    }
    return marks;
  }
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) marks.push(k * step);
  return marks;
}

let clips = 0; // each pair of axes needs a name of its own for its frame

// A pair of axes. draw({x: [low, high], y: [low, high], layers, title}); a layer is
//   {kind: "line", x, y, color, dash, width, alpha}, {kind: "marks", x, y, color, size, hollow, cross},
//   {kind: "dots", x, y, color}: many small marks, {kind: "bars", x, y, colors, width}, {kind: "hline" | "vline", at, color, dash}, {kind: "text", x, y, text}.
export function chart({ root }, label, { width = 330, height = 230, xlabel = "", ylabel = "", xlog = false,
  ylog = false, xticks = null, yticks = null, left = 52 } = {}) {
  const room = root.querySelector(".cp-card").clientWidth - 12; // of a phone; a figure that is not shown yet has none
  if (room > 200) width = Math.min(width, room); // shrunk by the browser, the words would be too small to read
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  const right = 12, top = 24, bottom = xlabel ? 42 : 26;
  const clip = `${root.id}-clip-${clips++}`;
  const ground = shape("g", {}); // drawn anew each time; what a figure adds to the SVG itself stays
  svg.append(ground);
  let map = null;
  return {
    element: svg,
    toData: (px, py) => map.back(px, py),
    toPixel: (x, y) => [map.px(x), map.py(y)],
    top,
    draw({ x: [x0, x1], y: [y0, y1], layers, title = "" }) {
      const fx = xlog ? Math.log10 : v => v, fy = ylog ? Math.log10 : v => v;
      const wide = width - left - right, high = height - top - bottom;
      const px = v => left + ((fx(v) - fx(x0)) / (fx(x1) - fx(x0))) * wide;
      const py = v => top + high - ((fy(v) - fy(y0)) / (fy(y1) - fy(y0))) * high;
      const back = (a, b) => [x0 + ((a - left) / wide) * (x1 - x0), y0 + ((top + high - b) / high) * (y1 - y0)];
      map = { px, py, back }; // back: for linear axes only
      const parts = [
        shape("clipPath", { id: clip }, shape("rect", { x: left, y: top - 4, width: wide + 4, height: high + 8 })),
      ];
      const text = (a, b, words, more = {}) => shape("text", { x: a, y: b, "text-anchor": "middle", ...more }, words);
      for (const mark of xticks ?? ticks([x0, x1], xlog)) {
        parts.push(shape("path", { d: `M${px(mark)} ${top}V${top + high}`, stroke: "#ddd" }));
        parts.push(text(px(mark), top + high + 16, short(mark)));
      }
      for (const mark of yticks ?? ticks([y0, y1], ylog, 5)) {
        parts.push(shape("path", { d: `M${left} ${py(mark)}H${left + wide}`, stroke: "#ddd" }));
        parts.push(text(left - 6, py(mark) + 4, short(mark), { "text-anchor": "end" }));
      }
      parts.push(shape("path", { d: `M${left} ${top}V${top + high}H${left + wide}`, fill: "none", stroke: "#1a1a1a" }));
      if (xlabel) parts.push(text(left + wide / 2, height - 6, xlabel));
      const middle = top + high / 2;
      if (ylabel) parts.push(text(13, middle, ylabel, { transform: `rotate(-90 13 ${middle})` }));
      if (title) parts.push(text(left + wide / 2, 15, title));
      const inside = shape("g", { "clip-path": `url(#${clip})` });
      for (const layer of layers) inside.append(...drawLayer(layer, px, py, { left, wide, top, high, x0, x1, y0, y1 }));
      ground.replaceChildren(...parts, inside);
    },
  };
}

function drawLayer(layer, px, py, box) {
  const { kind, x, y, color = "#000" } = layer;
  if (kind === "line") {
    let path = "", down = false;
    for (let i = 0; i < x.length; i++) {
      if (Number.isFinite(y[i])) path += `${down ? "L" : "M"}${px(x[i]).toFixed(1)} ${py(y[i]).toFixed(1)}`;
      down = Number.isFinite(y[i]); // a gap where there is no number
    }
    return [shape("path", { d: path || "M0 0", fill: "none", stroke: color, "stroke-width": layer.width ?? 1.8,
      "stroke-dasharray": layer.dash ?? "none", "stroke-linejoin": "round", opacity: layer.alpha ?? 1 })];
  }
  if (kind === "marks") {
    const size = layer.size ?? 5;
    return Array.from(x, (value, i) => {
      const a = px(value), b = py(y[i]);
      if (layer.cross) {
        const d = `M${a - size} ${b - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}`;
        return shape("path", { d, stroke: color, "stroke-width": 2.5, fill: "none" });
      }
      return shape("circle", { cx: a, cy: b, r: size, fill: layer.hollow ? "#fff" : color, stroke: color,
        "stroke-width": layer.hollow ? 1.8 : 0, opacity: layer.alpha ?? 1 });
    });
  }
  if (kind === "dots") { // one path: an element for each would take too long
    const path = Array.from(x, (value, i) => `M${px(value).toFixed(1)} ${py(y[i]).toFixed(1)}h0`).join("");
    return [shape("path", { d: path, stroke: color, "stroke-width": layer.size ?? 2.6, "stroke-linecap": "round" })];
  }
  if (kind === "bars") {
    const zero = py(0), half = layer.width / 2;
    return Array.from(x, (value, i) => shape("rect", { x: px(value - half), width: px(value + half) - px(value - half),
      y: Math.min(zero, py(y[i])), height: Math.abs(py(y[i]) - zero), fill: layer.colors[i] }));
  }
  if (kind === "text") return [shape("text", { x: px(x), y: py(y) }, layer.text)];
  const d = kind === "hline" ? `M${box.left} ${py(layer.at)}h${box.wide}` : `M${px(layer.at)} ${box.top}v${box.high}`;
  const { width = 1.6, dash = "4 3" } = layer;
  return [shape("path", { d, stroke: color, "stroke-width": width, "stroke-dasharray": dash })];
}

// A key for curves: small samples with words, wrapped like text.
export function legend(entries) {
  return make("div", {}, ...entries.map(({ color, dash = "none", mark = "line", text }) => {
    const sample = shape("svg", { width: 30, height: 12, "aria-hidden": "true", class: "cp-sample" });
    const stroke = { stroke: color, "stroke-width": 2.2 };
    if (mark === "line") sample.append(shape("path", { d: "M1 6h28", "stroke-dasharray": dash, ...stroke }));
    else if (mark === "cross") sample.append(shape("path", { d: "M10 1l10 10m0-10l-10 10", ...stroke }));
    else sample.append(shape("circle", { cx: 15, cy: 6, r: 4.5, fill: mark === "hollow" ? "#fff" : color, ...stroke }));
    return make("span", { class: "cp-entry" }, sample, ` ${text}`);
  }));
}
