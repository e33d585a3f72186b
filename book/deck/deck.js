// Starts the slides, draws the formulas of the slide that is shown, and lets its explorers fill the room there is.
"use strict";

// A control keeps its keys while it has the focus; Escape gives them back to the slides.
const within = () => document.activeElement?.closest?.(".course-page");

const turn = (direction, move) => () => {
  const slide = Reveal.getCurrentSlide(), before = slide.scrollTop;
  slide.scrollTop += direction * 0.8 * slide.clientHeight; // first the rest of this slide, then the next one
  if (slide.scrollTop === before) move();
};

// Letters of an explorer are made for a page: enlarge it as far as the whole of it still fits.
function fit(slide) {
  for (const printed of slide.querySelectorAll(":scope > pre")) {
    for (let size = 26; size >= 16; size--) { // smaller cannot be read: then it scrolls
      printed.style.fontSize = `${size}px`;
      if (printed.scrollWidth <= printed.clientWidth && slide.scrollHeight <= slide.clientHeight) break;
    }
  }
  for (const explorer of slide.querySelectorAll(":scope > .course-page")) {
    for (let zoom = 1.8; zoom >= 0.999; zoom -= 0.05) {
      explorer.style.zoom = zoom.toFixed(2);
      const card = explorer.querySelector(".cp-card");
      const wide = card !== null && card.scrollWidth > card.clientWidth + 1;
      if (slide.scrollHeight <= slide.clientHeight && !wide) break;
    }
  }
}

async function draw(slide) {
  if (!slide) return;
  if (!slide.dataset.drawn) { // a hidden slide has no size, and formulas are measured
    slide.dataset.drawn = "yes";
    const shown = [...slide.querySelectorAll(".math")].filter(formula => !formula.closest("aside"));
    if (shown.length) await MathJax.startup.promise.then(() => MathJax.typesetPromise(shown));
  }
  fit(slide);
}

Reveal.on("ready", async () => {
  const all = Reveal.isPrintView?.() ? Reveal.getSlides() : [Reveal.getCurrentSlide()];
  for (const slide of all) await draw(slide);
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
  hash: true,
  slideNumber: "h.v",
  transition: "none",
  keyboardCondition: () => !within(),
  keyboard: { 38: turn(-1, () => Reveal.up()), 40: turn(1, () => Reveal.down()) },
  plugins: [RevealNotes],
});
