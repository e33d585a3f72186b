"""The tools below an explorer on a page: reset, keep, link, play; and its looks in the dark and on a phone."""

from urllib.parse import urlencode

import pytest
from page_tools import CONTROLS, made, press, settled, stored

#: Live with radio buttons, live with a dot that is dragged, pictures computed beforehand.
NAMES = ["parabola", "interpolation", "denoiser"]
PANEL = """() => [...document.querySelectorAll(".cp-controls [data-key]")].filter(e => e.type !== "radio" || e.checked)
  .map(e => [e.dataset.key, Number(e.value)])"""


def drawn(page) -> str:
    """What the figure shows now, without what is kept."""
    settled(page)
    return page.evaluate(
        """() => { const figure = document.querySelector(".cp-live") ?? document.querySelector(".cp-picture");
        return figure.innerHTML + [...figure.querySelectorAll("canvas")].map(canvas => canvas.toDataURL()).join(); }"""
    )


@pytest.mark.parametrize("name", NAMES)
def test_reset_puts_every_control_and_the_figure_back(show, name):
    with show(made(name)[1]) as page:
        before = page.evaluate(PANEL), drawn(page)
        controls = page.locator(CONTROLS)
        for k in range(controls.count()):
            assert press(page, controls.nth(k))
        assert drawn(page) != before[1]
        page.get_by_role("button", name="Reset").click()
        assert (page.evaluate(PANEL), drawn(page)) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_picture_can_be_shown_in_place_of_the_present_one_until_a_move(show, name):
    with show(made(name)[1], width=390) as page:
        settled(page)
        card, swap = page.locator(".cp-card"), page.get_by_role("button", name="Show kept")
        assert swap.count() == 0  # nothing is kept yet
        first, words = card.screenshot(), page.locator(".cp-values").text_content()
        page.get_by_role("button", name="Keep").click()
        assert page.locator(".cp-kept-values").inner_text() == words.replace("Shown", "Kept")
        for _ in range(3):
            press(page, page.locator("input[type=range]").first)
        settled(page)
        second = card.screenshot()
        assert second != first
        swap.focus()
        page.keyboard.press("Space")
        assert swap.get_attribute("aria-pressed") == "true"
        page.add_style_tag(content=".cp-kept { outline: none !important; }")  # the frame says that this is the kept one
        assert card.screenshot() == first
        assert page.locator(".cp-kept > *").evaluate("e => e.inert")
        page.keyboard.press("Space")
        assert card.screenshot() == second
        page.keyboard.press("Space")
        press(page, page.locator("input[type=range]").first)
        assert not page.locator(".cp-kept").is_visible() and swap.get_attribute("aria-pressed") == "false"
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", NAMES)
def test_a_link_restores_the_settings_and_scrolls_to_its_figure(show, name):
    text = made(name)[1]
    with show(text) as page:
        controls = page.locator(CONTROLS)
        for k in range(controls.count()):
            assert press(page, controls.nth(k))
        page.get_by_role("button", name="Copy link").click()
        page.wait_for_function("document.querySelector('.cp-tools [role=status]').textContent !== ''")
        link = "#" + page.url.split("#")[1]
        wanted = page.evaluate(PANEL), drawn(page)
    far = '<div style="height: 3000px"></div>'
    with show(f"{far}{text}{far}", link=link) as page:
        assert (page.evaluate(PANEL), drawn(page)) == wanted
        assert 0 <= page.locator(".course-page").bounding_box()["y"] < 200
        page.evaluate("scrollTo(0, 0)")
        page.get_by_role("button", name="Reset").click()
        page.evaluate("scrollTo(0, 0); location.hash = '#elsewhere'")
        page.evaluate(f"location.hash = {link!r}")  # the same link, clicked on the page
        page.wait_for_function("document.querySelector('.course-page').getBoundingClientRect().y < 200")
        assert (page.evaluate(PANEL), drawn(page)) == wanted


def test_what_is_wrong_in_a_link_is_ignored(show):
    text = made("denoiser")[1]
    controls = {control["key"]: control for control in stored(text)["controls"]}
    right = controls["sigma"]["labels"][0]
    wrong = {"sigma": right, "k": "1e9", "denoiser": "<b>", "constructor": "1", "nothing": ""}
    for link in (f"#explorer-denoiser?{urlencode(wrong)}", f"#explorer-denoiser?sigma={right}&k=%E0%A4%A&%%%"):
        with show(text, link=link) as page:
            panel = dict(page.evaluate(PANEL))
            assert panel == {key: control["start"] for key, control in controls.items()} | {"sigma": 0}
            assert page.locator(".cp-problem").count() == 0
    for link in ("#explorer-parabola?sigma=" + right, "#explorer-denoiser", "#", "#explorer-denoiser?"):
        with show(text, link=link) as page:
            assert dict(page.evaluate(PANEL)) == {key: control["start"] for key, control in controls.items()}


def test_a_control_that_counts_iterations_plays_to_its_end_and_pauses(show):
    explorer, text = made("denoiser")
    last = len(explorer.controls["k"].options) - 1  # what can be played is on every page whole
    with show(text) as page:
        page.locator("[data-key=k]").press("Home")
        button = page.get_by_role("button", name="Play iteration")
        button.click()
        page.wait_for_function("document.querySelector('[data-key=k]').value === '1'")
        page.get_by_role("button", name="Pause").click()
        paused = dict(page.evaluate(PANEL))["k"]
        page.wait_for_timeout(1000)
        assert dict(page.evaluate(PANEL))["k"] == paused > 0
        button.click()
        page.wait_for_function(f"document.querySelector('[data-key=k]').value === '{last}'")
        button.wait_for()  # it stops by itself
        button.click()
        page.wait_for_function("document.querySelector('[data-key=k]').value === '0'")  # and begins again
    with show(made("parabola")[1]) as page:
        assert page.get_by_role("button", name="Play").count() == 0


#: The ratio of the luminances of words and ground, for all words outside the card, which stays light.
CONTRAST = """() => {
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(c => c / 255)
      .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => {
    const own = getComputedStyle(e).getPropertyValue("background-color");
    return own === "rgba(0, 0, 0, 0)" ? ground(e.parentElement) : own;
  };
  return [...document.querySelectorAll(".course-page :is(label, legend, output, select, button, p)")]
    .filter(e => e.checkVisibility() && e.innerText.trim()).map(e => {
      const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((p, q) => q - p);
      return [e.className || e.tagName, Boolean(e.closest(".cp-card")), light(ground(e)), (a + 0.05) / (b + 0.05)];
    });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_controls_and_words_follow_the_theme_and_can_be_read(show, theme):
    dark = f"<script>document.documentElement.dataset.theme = '{theme}';</script>"
    for name in NAMES:
        with show(dark + made(name)[1]) as page:
            settled(page)
            page.get_by_role("button", name="Keep").click()
            page.get_by_role("button", name="Show kept").click()
            found = page.evaluate(CONTRAST)
            assert len(found) > 6 and min(ratio for *_, ratio in found) > 4.5, found
            pressed = "BUTTON"  # the one that is pressed has the colour of the accent
            for what, in_card, ground, _ in found:
                if what != pressed:
                    assert ground > 0.8 if in_card or theme == "light" else ground < 0.1, what


#: Pixels of the smallest letters of the drawings, as they are shown.
LETTERS = """() => [...document.querySelectorAll(".cp-live svg")].filter(svg => svg.checkVisibility())
  .map(svg => 12.5 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""


@pytest.mark.parametrize("name", ["parabola", "denoising", "turn"])
def test_letters_can_be_read_on_a_phone(show, name):
    with show(made(name)[1], width=390) as page:
        page.wait_for_selector(".cp-live svg")
        sizes = [size for size in page.evaluate(LETTERS)]
        assert sizes and min(size for size in sizes if size > 2) >= 11, sizes
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_that_is_wider_than_a_phone_says_so(show):
    for width, wanted in ((390, True), (900, False)):
        with show(made("denoiser")[1], width=width) as page:
            card = page.locator(".cp-card")
            assert card.evaluate("e => e.scrollWidth > e.clientWidth") == wanted
            said = card.evaluate("e => getComputedStyle(e, '::before').content")
            assert ("goes on to the right" in said) == wanted
