"""Tools of the tests of slides: a deck in the browser, without a network, and what is wrong with its slides."""

from contextlib import contextmanager


@contextmanager
def opened(browser, path):
    """A deck in a browser; a request for anything but its folder, or an error in the console, fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    complaints = []

    def only_this_folder(route):
        if route.request.url.startswith((path.parent.as_uri(), "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(f"asks for {route.request.url}")
            route.abort()

    context.route("**/*", only_this_folder)
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("window.Reveal?.isReady() && window.MathJax?.typesetPromise")
    try:
        yield page
        assert not complaints, complaints
    finally:
        context.close()


#: What is wrong with the slide that is shown: what does not fit, what cannot be read, what was not drawn.
FAULTS = r"""() => {
  const slide = Reveal.getCurrentSlide(), body = slide.querySelector(".body"), faults = [];
  const edge = document.querySelector(".slides").getBoundingClientRect();
  const name = e => `${e.tagName.toLowerCase()}.${e.className}`;
  const unseen = ".notes, .cp-note, .cp-values, .cp-hidden, mjx-assistive-mml, script, style, noscript, option";
  for (const box of [slide, body, ...body.querySelectorAll("pre, .math.block, table, .cp-card, figure")]) {
    if (box.scrollHeight > box.clientHeight + 1 && box.tagName !== "TABLE") faults.push(`${name(box)} is too high`);
    if (box.scrollWidth > box.clientWidth + 1) faults.push(`${name(box)} is too wide`);
  }
  for (const element of slide.querySelectorAll("h1, h2, .body *")) {
    if (element.closest(unseen) || element.closest("svg, mjx-container") !== null) continue;
    const { left, right, top, bottom, width } = element.getBoundingClientRect();
    if (width && (left < edge.left - 2 || right > edge.right + 2 || top < edge.top - 2 || bottom > edge.bottom + 2))
      faults.push(`${name(element)} leaves the slide`);
  }
  for (const math of slide.querySelectorAll(".math"))
    if (!math.closest(".notes") && !math.querySelector("mjx-container")) faults.push(`not drawn: ${math.textContent}`);
  if (slide.querySelector("mjx-merror, [data-mjx-error]")) faults.push("a formula with an error");
  for (const image of body.querySelectorAll("img"))
    if (image.offsetParent && (!image.complete || image.getBoundingClientRect().height < 100))
      faults.push("a picture cannot be seen");
  if (slide.querySelector("[data-state=failed]")) faults.push("an explorer has failed");
  const scale = 1280 / edge.width;
  for (const text of body.querySelectorAll("p, li, td, th, pre")) {
    if (text.closest(".course-page")) continue;
    const size = parseFloat(getComputedStyle(text).fontSize);
    if (size < SMALLEST) faults.push(`${name(text)} has letters of ${size.toFixed(0)} pixels`);
  }
  return [...new Set(faults)];
}""".replace("SMALLEST", "14")


def faults(page):
    """Every slide that does not fit: place -> what is wrong."""
    found = {}
    for h, v in page.evaluate("Reveal.getSlides().map(s => Object.values(Reveal.getIndices(s)).slice(0, 2))"):
        page.evaluate(f"Reveal.slide({h}, {v})")
        page.wait_for_function(
            """() => { const slide = Reveal.getCurrentSlide();
            return slide.dataset.drawn === "yes" && [...slide.querySelectorAll("img")].every(i => i.complete)
              && ![...slide.querySelectorAll(".course-page")].some(e => e.dataset.busy === "yes"); }"""
        )
        if wrong := page.evaluate(FAULTS):
            found[f"{h}.{v} {page.evaluate('Reveal.getCurrentSlide().innerText').splitlines()[0]}"] = wrong
    return found
