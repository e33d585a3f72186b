// An explorer's controls and its words. The first argument is what `openPage` gives.

import { make } from "./dom.js";
import { tools } from "./tools.js";

// The controls, native ones so that keyboard and screen reader know them. The place of a control is an index into
// the listed values. move(key) is called after each move, move() when several controls have moved at once.
export function controls(page, move) {
  const { root, data, guarded } = page;
  const box = root.querySelector(".cp-controls");
  root.querySelector(".cp-note").hidden = false; // says how a figure that moves was made
  const at = Object.fromEntries(data.controls.map(control => [control.key, control.start]));
  const setters = {};
  const set = (key, index) => {
    at[key] = index;
    setters[key](index);
  };
  const after = key => {
    root.dataset.state = "moved";
    below.moved();
    guarded(move)(key);
  };
  const moved = (key, index) => {
    set(key, index);
    after(key);
  };
  for (const control of data.controls) {
    const { key, label, title, labels } = control;
    const id = `${root.id}-${key}`;
    // JupyterLab takes the arrow keys from native sliders unless the slider itself says no
    const common = { id, title, "data-lm-suppress-shortcuts": "true", "data-key": key };
    let part;
    if (control.kind === "range") {
      const input = make("input", { ...common, type: "range", min: "0", max: String(labels.length - 1), step: "1" });
      const output = make("output", { for: id });
      setters[key] = index => {
        input.value = String(index);
        input.setAttribute("aria-valuetext", labels[index]);
        output.value = labels[index];
      };
      input.addEventListener("input", () => moved(key, Number(input.value)));
      part = make("div", { class: "cp-control" }, make("label", { for: id }, label), input, output);
    } else if (control.kind === "select") {
      const list = make("select", common, ...labels.map((text, k) => make("option", { value: String(k) }, text)));
      setters[key] = index => { list.selectedIndex = index; };
      list.addEventListener("change", () => moved(key, list.selectedIndex));
      part = make("div", { class: "cp-control" }, make("label", { for: id }, label), list);
    } else if (control.kind === "radio") {
      const buttons = labels.map((text, k) => {
        const button = make("input", { ...common, id: `${id}-${k}`, type: "radio", name: id, value: String(k) });
        button.addEventListener("change", () => moved(key, k));
        return make("label", {}, button, text);
      });
      setters[key] = index => { buttons[index].firstChild.checked = true; };
      part = make("fieldset", { class: "cp-control", title }, make("legend", {}, label), ...buttons);
    } else {
      const button = make("button", { ...common, type: "button" }, label);
      setters[key] = () => {};
      button.addEventListener("click", () => moved(key, labels.length ? (at[key] + 1) % labels.length : at[key] + 1));
      part = make("div", { class: "cp-control" }, button);
    }
    setters[key](at[key]);
    box.append(part);
  }
  const spec = Object.fromEntries(data.controls.map(control => [control.key, control]));
  const panel = {
    index: at,
    value: key => (spec[key].values ? spec[key].values[at[key]] : at[key]),
    label: key => spec[key].labels[at[key]],
    // from the drawing side: a dragged dot moves its sliders
    set,
    words: () => data.controls.filter(control => control.labels.length)
      .map(control => `${control.label}: ${control.labels[at[control.key]]}`).join("; "),
    enable: (key, on) => {
      for (const input of box.querySelectorAll(`[data-key="${key}"]`)) input.disabled = !on;
    },
  };
  const below = tools(page, panel, places => {
    for (const [key, index] of Object.entries(places)) set(key, index);
    after();
  });
  return panel;
}

export function say({ root }, text) {
  root.querySelector(".cp-values").textContent = text;
}
