// What every explorer of a page needs: its data, its controls, its words.

const data = JSON.parse(root.querySelector(".cp-data").textContent);

const CRC = Uint32Array.from({ length: 256 }, (_, start) => {
  let word = start;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word;
});

// One stored block of numbers; its CRC-32 is checked, for damaged weights draw plausible nonsense. What several
// explorers of a page need stands in the first of them.
function bytes(name) {
  const block = root.querySelector(`.cp-block[data-name="${name}"]`);
  const store = block.dataset.in ? document.getElementById(block.dataset.in) : block;
  if (store === null) throw new Error(`the ${name} are missing: they stood in another figure of the page`);
  let text = "";
  try {
    text = atob(store.textContent.trim());
  } catch {
    throw new Error(`the stored ${name} are damaged (not base64)`);
  }
  const out = new Uint8Array(text.length);
  let crc = 0xffffffff;
  for (let i = 0; i < out.length; i++) {
    out[i] = text.charCodeAt(i);
    crc = CRC[(crc ^ out[i]) & 255] ^ (crc >>> 8);
  }
  if ((crc ^ 0xffffffff) >>> 0 !== Number(block.dataset.crc)) {
    throw new Error(`the stored ${name} are damaged (their checksum is wrong)`);
  }
  return out;
}

const float32 = name => new Float32Array(bytes(name).buffer);

// The controls, native ones so that keyboard and screen reader know them. The place of a control is an index into
// the listed values. move(key) is called after each move.
function controls(move) {
  const box = root.querySelector(".cp-controls");
  root.querySelector(".cp-note").hidden = false; // says how a figure that moves was made
  const at = Object.fromEntries(data.controls.map(control => [control.key, control.start]));
  const setters = {};
  const moved = (key, index) => {
    at[key] = index;
    setters[key](index);
    root.dataset.state = "moved";
    guarded(move)(key);
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
  return {
    index: at,
    value: key => (spec[key].values ? spec[key].values[at[key]] : at[key]),
    label: key => spec[key].labels[at[key]],
    // from the drawing side: a dragged dot moves its sliders
    set: (key, index) => { at[key] = index; setters[key](index); },
    words: () => data.controls.filter(control => control.labels.length)
      .map(control => `${control.label}: ${control.labels[at[control.key]]}`).join("; "),
    enable: (key, on) => {
      for (const input of box.querySelectorAll(`[data-key="${key}"]`)) input.disabled = !on;
    },
  };
}

function say(text) {
  root.querySelector(".cp-values").textContent = text;
}
