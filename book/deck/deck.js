// Starts the slides, draws the formulas of the slide that is shown, and makes what stands on it fit.
"use strict";

// A control keeps its keys while it has the focus; Escape gives them back to the slides.
const within = () => document.activeElement?.closest?.(".course-page");

const tooHigh = box => box.scrollHeight > box.clientHeight + 1;
const tooWide = box => box.scrollWidth > box.clientWidth + 1;

// The largest of the sizes from..to (times 1/100) at which nothing is too large; set(size) shows it.
function largest(from, to, set, tooLarge) {
  for (let size = from; size >= to; size -= 4) {
    set(size / 100);
    if (!tooLarge()) return;
  }
}

function fit(slide) {
  const body = slide.querySelector(":scope > .body");
  if (!body) return;
  // Letters of an explorer are made for a page: enlarge it as far as the whole of it still fits.
  for (const explorer of body.querySelectorAll(":scope > .course-page")) {
    const card = explorer.querySelector(".cp-card");
    largest(200, 60, zoom => { explorer.style.zoom = zoom; },
      () => tooHigh(body) || tooWide(body) || (card !== null && tooWide(card)));
  }
  // One line that is too long need not make the others small.
  for (const long of body.querySelectorAll("pre, .math.block")) {
    const usual = long.tagName === "PRE" ? 0.86 : 1;
    largest(100, 40, size => { long.style.fontSize = `${usual * size}em`; }, () => tooWide(long));
  }
  body.style.fontSize = "";
  const usual = parseFloat(getComputedStyle(body).fontSize);
  largest(100, 40, size => { body.style.fontSize = `${usual * size}px`; }, () => tooHigh(body) || tooWide(body));
}

async function draw(slide) {
  if (!slide) return;
  if (!slide.dataset.drawn) { // a hidden slide has no size, and formulas are measured
    const shown = [...slide.querySelectorAll(".math")].filter(formula => !formula.closest("aside"));
    if (shown.length) {
      await MathJax.startup.promise.then(() => MathJax.typesetPromise(shown));
      void slide.offsetWidth; // asks for the fonts of the formulas, whose widths count
      await document.fonts.ready;
    }
  }
  fit(slide);
  slide.dataset.drawn = "yes";
}

Reveal.on("ready", () => {
  if (!Reveal.isPrintView?.()) draw(Reveal.getCurrentSlide());
});
// On paper slides have their sizes only now, which is after "ready" or before it.
Reveal.on("pdf-ready", async () => {
  for (const slide of Reveal.getSlides()) await draw(slide);
});
Reveal.on("slidechanged", event => {
  document.activeElement?.blur?.();
  draw(event.currentSlide);
});
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && within()) {
    document.activeElement.blur();
    event.stopImmediatePropagation();
  }
}, true);
Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.03,
  center: false,
  display: "flex",
  hash: true,
  slideNumber: "h.v",
  transition: "none",
  keyboardCondition: () => !within(),
  plugins: [RevealNotes],
});
