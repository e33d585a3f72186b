// A whole number on the horizontal axis of a chart that is dragged, by mouse or finger, or moved by the arrow keys.

import { shape } from "./svg.js";

const JUMPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

// move(value) is called with the new value; put(value, least, most) shows it, after the chart was drawn.
export function slide({ guarded }, axes, label, move) {
  const svg = axes.element, now = { value: 0, least: 0, most: 0 };
  const handle = shape("circle", { r: 8, fill: "#fff", stroke: "#1a1a1a", "stroke-width": 2, tabindex: 0, role: "slider",
    cursor: "ew-resize", "data-lm-suppress-shortcuts": "true", "aria-label": label });
  svg.append(handle);
  svg.setAttribute("role", "group"); // more than a picture
  svg.style.touchAction = "pan-y"; // a finger that goes sideways moves the handle, one that goes down the page
  svg.style.cursor = "ew-resize";
  const go = value => {
    const wanted = Math.max(now.least, Math.min(now.most, Math.round(value)));
    if (wanted !== now.value) move(wanted);
  };
  const drag = event => {
    const box = svg.getBoundingClientRect();
    go(axes.toData(((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width, 0)[0]);
  };
  svg.addEventListener("pointerdown", guarded(event => {
    svg.setPointerCapture(event.pointerId);
    drag(event);
    handle.focus({ preventScroll: true });
  }));
  svg.addEventListener("pointermove", guarded(event => {
    if (svg.hasPointerCapture(event.pointerId)) drag(event);
  }));
  handle.addEventListener("keydown", guarded(event => {
    const ends = { Home: now.least, End: now.most };
    const wanted = ends[event.key] ?? (event.key in JUMPS ? now.value + JUMPS[event.key] : null);
    if (wanted === null) return;
    event.preventDefault(); // the page must not scroll
    go(wanted);
  }));
  return {
    put(value, least, most) {
      Object.assign(now, { value, least, most });
      handle.setAttribute("cx", axes.toPixel(value, 0)[0]);
      handle.setAttribute("cy", axes.top);
      for (const [name, number] of Object.entries({ now: value, min: least, max: most })) {
        handle.setAttribute(`aria-value${name}`, number);
      }
    },
  };
}
