// Pictures computed beforehand. Each is stored as what differs from the default picture. Both are put together on a
// canvas of their own size, which is then scaled as one: two scaled layers would show seams.

import { make } from "./dom.js";
import { controls, say } from "./page.js";
import { bytes } from "./stored.js";

export function run(page) {
  const { root, data, guarded } = page;
  const store = bytes(page, "pictures"), still = root.querySelector(".cp-picture"), ground = still.querySelector("img");
  const canvas = make("canvas", { class: "cp-over", width: ground.getAttribute("width"),
    height: ground.getAttribute("height"), "aria-hidden": "true" });
  const context = canvas.getContext("2d"), layers = new Map();
  still.append(canvas);

  const layer = number => {
    if (!layers.has(number)) {
      const part = store.subarray(data.offsets[number], data.offsets[number + 1]);
      layers.set(number, createImageBitmap(new Blob([part], { type: "image/webp" })));
    }
    return layers.get(number);
  };
  let turn = 0;
  const show = async () => {
    const mine = ++turn;
    let frame = 0;
    for (const control of data.controls) frame = frame * control.labels.length + panel.index[control.key];
    const number = data.frames[frame]; // -1: the default picture itself
    root.dataset.busy = "yes";
    const [over] = await Promise.all([number < 0 ? null : layer(number), ground.decode()]);
    if (mine !== turn) return; // the reader has moved on
    context.drawImage(ground, 0, 0, canvas.width, canvas.height);
    if (over) context.drawImage(over, 0, 0);
    root.dataset.busy = "no";
    say(page, `Shown: ${panel.words()}.`);
  };
  const panel = controls(page, show);
  guarded(show)();
}
