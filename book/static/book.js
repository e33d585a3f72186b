// What the theme leaves to the mouse and to sighted readers, and what paper wants.
"use strict";

// What scrolls sideways, wide tables and long formulas, must take the focus, or the keyboard cannot scroll it.
function letScroll() {
  for (const box of document.querySelectorAll("article table, article mjx-container, article pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
}

// On paper nothing is folded; afterwards everything is as it was.
let unfolded = [];
function unfold() {
  const closed = [...document.querySelectorAll("article details:not([open])")];
  for (const part of closed) part.open = true;
  unfolded.push(...closed);
}
function fold() {
  for (const part of unfolded) part.open = false;
  unfolded = [];
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
window.addEventListener("resize", letScroll);
