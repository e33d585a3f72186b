// What the theme leaves to the mouse and to sighted readers, and what paper wants.
"use strict";

// What scrolls sideways, wide tables and long formulas, must take the focus, or the keyboard cannot scroll it.  Inline
// formulas are often a little wider than their box and do not scroll: each would be one more stop for the Tab key.
function letScroll() {
  for (const box of document.querySelectorAll("article table, article mjx-container, article pre")) {
    const scrolls = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) box.tabIndex = 0;
  }
}

// Past what an explorer has of controls: a link before each to the next one, and one at the top of the page to the first.
function skipLink(words, target) {
  const link = document.createElement("a");
  link.className = "course-skip";
  link.href = `#${target.id}`;
  link.textContent = words;
  link.addEventListener("click", () => target.focus());
  return link;
}
function linkExplorers() {
  const explorers = [...document.querySelectorAll("article .course-page")];
  explorers.forEach((place, k) => (place.id ||= `explorer-${k + 1}`));
  explorers.forEach((place, k) => {
    place.tabIndex = -1; // takes the focus from a link, not from the Tab key
    if (!place.hasAttribute("role")) {
      place.setAttribute("role", "group");
      place.setAttribute("aria-label", `Explorer ${k + 1} of ${explorers.length}`);
    }
    const cell = place.closest("div.cell");
    if (explorers[k + 1]) (cell?.firstChild ?? place).before(skipLink("Skip to the next explorer", explorers[k + 1]));
  });
  if (explorers.length)
    document.querySelector("#pst-skip-link")?.after(skipLink("Skip to the first explorer", explorers[0]));
}

// On paper nothing is folded and nothing is dark; afterwards everything is as it was.
let unfolded = [];
let theme = null;
function unfold() {
  const closed = [...document.querySelectorAll("article details:not([open])")];
  for (const part of closed) part.open = true;
  unfolded.push(...closed);
  theme ??= document.documentElement.dataset.theme ?? "light";
  document.documentElement.dataset.theme = "light";
}
function fold() {
  for (const part of unfolded) part.open = false;
  unfolded = [];
  if (theme) document.documentElement.dataset.theme = theme;
  theme = null;
}
window.addEventListener("beforeprint", unfold);
window.addEventListener("afterprint", fold);
window.matchMedia("print").addEventListener("change", (paper) => (paper.matches ? unfold() : fold()));

window.addEventListener("load", async () => {
  // the arrow beside a page that has pages below it says nothing by itself
  for (const arrow of document.querySelectorAll("nav li.has-children > details > summary"))
    arrow.setAttribute("aria-label", `pages below ${arrow.closest("li").querySelector("a").textContent}`);
  // the entries of a list are its items; the role that Sphinx gives them is not allowed in a list
  for (const entry of document.querySelectorAll(".citation-list > .citation")) entry.setAttribute("role", "listitem");
  await window.MathJax?.startup?.promise;
  letScroll();
});
document.addEventListener("DOMContentLoaded", () => {
  linkExplorers();
  // a fold is called what it says, not "Toggle hidden content"
  for (const fold of document.querySelectorAll("article details > summary[aria-label]")) fold.removeAttribute("aria-label");
});
window.addEventListener("resize", letScroll);
document.addEventListener("toggle", letScroll, true); // a fold opens
