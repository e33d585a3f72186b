// Where a live figure is drawn, and when.

import { make } from "./dom.js";

// Shows `parts` in place of the stored picture, whose text stays for those who cannot see either.
export function stage({ root }, ...parts) {
  const still = root.querySelector(".cp-picture");
  const live = make("div", { class: "cp-live" });
  live.append(make("p", { class: "cp-hidden" }, still.querySelector("img").alt), ...parts);
  still.after(live);
  still.hidden = true;
  root.querySelector(".cp-values").classList.add("cp-hidden"); // the figure shows these words itself
  return live;
}

export const row = (...parts) => make("div", { class: "cp-row" }, ...parts);

// Runs a generator function a slice at a time, so that the page stays awake. show(state, done) after each slice;
// beginning a new run ends the one before.
export function runner({ root, guarded }) {
  let turn = 0;
  return function start(run, show) {
    const mine = ++turn;
    root.dataset.busy = "yes";
    const slice = guarded(() => {
      if (mine !== turn) return;
      const until = performance.now() + 14;
      let last = null, done = false;
      do {
        const next = run.next();
        done = next.done === true;
        if (!done) last = next.value;
      } while (!done && performance.now() < until);
      show(last, done);
      if (done) root.dataset.busy = "no";
      else setTimeout(slice, 0); // not by frames: a page in the background would never end
    });
    slice();
  };
}
