// A control of a figure that is also dragged along the horizontal axis of a chart, by mouse or finger, or moved there by
// the arrow keys. The control itself stays.

import { shape } from "./svg.js";

const JUMPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

// move(index) is called with the new place among the stops. put(index, stops, text, y) shows it, after the chart was
// drawn: stops in data units, ascending; at the height y, or on the upper edge.
export function slide({ guarded }, axes, label, move) {
  const svg = axes.element, now = { index: 0, stops: [0] };
  const handle = shape("circle", { r: 8, fill: "#fff", stroke: "#1a1a1a", "stroke-width": 2, tabindex: 0, role: "slider",
    "data-lm-suppress-shortcuts": "true", "aria-label": label });
  svg.append(handle);
  svg.setAttribute("role", "group"); // more than a picture
  svg.style.touchAction = "pan-y"; // a finger that goes sideways moves the handle, one that goes down the page
  svg.style.cursor = "ew-resize";
  const go = index => {
    const wanted = Math.max(0, Math.min(now.stops.length - 1, index));
    if (wanted !== now.index) move(wanted);
  };
  const drag = event => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width;
    let nearest = 0, least = Infinity;
    now.stops.forEach((stop, k) => {
      const apart = Math.abs(axes.toPixel(stop, 1)[0] - at); // in pixels, so that a logarithmic axis is right, too
      if (apart < least) [nearest, least] = [k, apart];
    });
    go(nearest);
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
    const ends = { Home: 0, End: now.stops.length - 1 };
    const wanted = ends[event.key] ?? (event.key in JUMPS ? now.index + JUMPS[event.key] : null);
    if (wanted === null) return;
    event.preventDefault(); // the page must not scroll
    go(wanted);
  }));
  return {
    put(index, stops, text, y = null) {
      Object.assign(now, { index, stops });
      const [cx, cy] = axes.toPixel(stops[index], y ?? 1);
      handle.setAttribute("cx", cx);
      handle.setAttribute("cy", y === null ? axes.top : cy);
      handle.setAttribute("fill-opacity", y === null ? 1 : 0.3);
      const told = { valuenow: stops[index], valuemin: stops[0], valuemax: stops.at(-1), valuetext: text };
      for (const [name, value] of Object.entries(told)) handle.setAttribute(`aria-${name}`, value);
    },
  };
}
