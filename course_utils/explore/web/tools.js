// Below a figure: back to the start, a setting kept for comparison, a link to the present one, a control that plays.

import { make } from "./dom.js";

const PACE = 400; // milliseconds from one step of a playing control to the next

// What a link says of the explorer `name`: for each control that it names rightly, the place of its value. A value
// stands there as it stands beside its control; of a button its count. Null for a link that leads elsewhere.
export function fromLink(hash, { name, controls }) {
  const [, whose, query] = hash.match(/^#explorer-([\w-]+)\?(.*)$/) ?? [];
  if (whose !== name) return null;
  const given = new URLSearchParams(query), found = {};
  for (const { key, labels, kind } of controls) {
    const text = given.get(key) ?? "";
    const place = kind === "button" ? (/^\d{1,4}$/.test(text) ? Number(text) : -1) : labels.indexOf(text);
    if (place >= 0) found[key] = place;
  }
  return found;
}

function toLink({ name, controls }, index) {
  const pairs = controls.map(({ key, kind, labels }) => [key, kind === "button" ? index[key] : labels[index[key]]]);
  return `#explorer-${name}?${new URLSearchParams(pairs)}`;
}

// What is drawn now, as a copy that nobody can move. A canvas loses its pixels when it is copied, and clip paths need
// names of their own.
function copyOf(figure) {
  const copy = figure.cloneNode(true), canvases = copy.querySelectorAll("canvas");
  figure.querySelectorAll("canvas").forEach((from, k) => canvases[k].getContext("2d").drawImage(from, 0, 0));
  for (const clip of copy.querySelectorAll("clipPath")) clip.id += "-kept";
  for (const part of copy.querySelectorAll("[clip-path]")) {
    part.setAttribute("clip-path", part.getAttribute("clip-path").replace(")", "-kept)"));
  }
  copy.classList.remove("cp-live");
  copy.inert = true;
  return copy;
}

// apply(places) moves some controls at once. Gives { moved }, to be called whenever a control has moved.
export function tools({ root, data, guarded }, panel, apply) {
  const box = make("div", { class: "cp-tools", role: "group", "aria-label": "tools of the figure" });
  const said = make("span", { role: "status" }), words = root.querySelector(".cp-values");
  const add = (text, title, action, more = {}) => {
    const button = make("button", { type: "button", title, "data-lm-suppress-shortcuts": "true", ...more }, text);
    button.addEventListener("click", guarded(action));
    box.append(button);
    return button;
  };

  const beginning = Object.fromEntries(data.controls.map(({ key, start }) => [key, start]));
  add("Reset", "all controls as they stood at first", () => apply(beginning));

  const kept = make("div", { class: "cp-kept", hidden: true }), line = make("p", { class: "cp-kept-values", hidden: true });
  root.querySelector(".cp-card").append(kept);
  words.after(line);
  const show = on => {
    kept.hidden = !on;
    (root.querySelector(".cp-live") ?? root.querySelector(".cp-picture")).hidden = on;
    swap.setAttribute("aria-pressed", String(on));
  };
  add("Keep", "keep this picture, to compare it with others", () => {
    show(false);
    kept.replaceChildren(copyOf(root.querySelector(".cp-live") ?? root.querySelector(".cp-picture")));
    const numbers = root.dataset.busy === "yes" ? `${panel.words()} (still computing)` : words.textContent;
    line.textContent = `Kept: ${numbers.replace(/^Shown: /, "")}`;
    line.hidden = swap.hidden = false;
  });
  const swap = add("Show kept", "the kept picture in place of the present one, and back", () => show(kept.hidden),
    { hidden: true });
  show(false);

  add("Copy link", "a link that opens this page with these settings", () => {
    const address = location.href.split("#")[0] + toLink(data, panel.index);
    try {
      history.replaceState(history.state, "", address);
    } catch {} // a page without an address of its own
    const copied = navigator.clipboard?.writeText(address) ?? Promise.reject();
    copied.then(() => "Link copied.", () => "The link stands in the address bar.")
      .then(text => { said.textContent = text; });
  });

  const played = data.controls.find(({ key }) => key === data.play);
  if (played) {
    const last = played.labels.length - 1;
    let timer = null;
    const play = on => {
      clearInterval(timer);
      timer = on ? setInterval(step, PACE) : null;
      words.setAttribute("aria-live", on ? "off" : "polite"); // a screen reader could not keep up
      button.textContent = on ? "Pause" : `Play ${played.label}`;
    };
    const step = guarded(() => {
      if (root.dataset.busy === "yes") return;
      if (panel.index[played.key] < last) apply({ [played.key]: panel.index[played.key] + 1 });
      else play(false);
    });
    const button = add("", `${played.title}: one step after the other`, () => {
      if (timer === null && panel.index[played.key] === last) apply({ [played.key]: 0 });
      play(timer === null);
    });
    play(false);
  }
  box.append(said);
  root.querySelector(".cp-card").after(box);

  // A link to two explorers of one name means the first.
  const follow = () => (document.querySelector(`.explorer-${data.name}`) === root ? fromLink(location.hash, data) : null);
  const come = () => root.scrollIntoView();
  const linked = follow();
  if (linked) {
    for (const [key, place] of Object.entries(linked)) panel.set(key, place); // the figure is about to be drawn
    come();
    addEventListener("load", come); // pages above may have grown
  }
  addEventListener("hashchange", guarded(() => {
    const places = follow();
    if (!places) return;
    apply(places);
    come();
  }));

  return {
    moved: () => {
      said.textContent = "";
      if (!kept.hidden) show(false);
    },
  };
}
