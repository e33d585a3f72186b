// Pictures computed beforehand. Each is stored as what differs from the default picture, and laid over it.
function run() {
  const store = bytes("pictures");
  const over = make("img", { class: "cp-over", alt: "", "aria-hidden": "true", hidden: true });
  over.addEventListener("error", () => fail(new Error("a stored picture is damaged")));
  still.append(over);
  const addresses = new Map();
  const address = number => {
    if (!addresses.has(number)) {
      const part = store.subarray(data.offsets[number], data.offsets[number + 1]);
      addresses.set(number, URL.createObjectURL(new Blob([part], { type: "image/webp" })));
    }
    return addresses.get(number);
  };
  const show = () => {
    let frame = 0;
    for (const control of data.controls) frame = frame * control.labels.length + panel.index[control.key];
    const number = data.frames[frame];
    over.hidden = number < 0; // -1: the default picture itself
    if (number >= 0) over.src = address(number);
    root.dataset.frame = String(number);
    say(`Shown: ${panel.words()}.`);
  };
  const panel = controls(show);
  show();
}
