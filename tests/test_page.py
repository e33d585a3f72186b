"""Explorers on a page without a kernel: opened from a file in Chromium, without a network, and moved by keyboard.

Without Chromium the browser tests skip, or fail where CI is set.
"""

import base64
import html
import io
import re
import time

import conftest
import ipywidgets
import numpy as np
import pytest
from matplotlib.figure import Figure
from page_tools import CONTROLS, block, content, look, made, press, settled, stored
from PIL import Image

from course_utils.explore import EXPLORERS, Explorer
from course_utils.explore import page as pages
from course_utils.explore.controls import same

HEAVIEST = 1_500_000  # characters of one explorer; a chapter with precomputed pictures has one of these


def demo(frames=None, live=None, draw=None):
    def line(size, colour):
        figure = Figure(figsize=(2, 1))
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, size], color=colour)
        return figure

    controls = {
        "size": ipywidgets.FloatSlider(1, min=0, max=2, step=0.25, description="size", tooltip="how long"),
        "colour": ipywidgets.Dropdown(options=["red", "green"], description="colour", tooltip="which colour"),
    }
    return Explorer("demo", controls, draw or line, "A line & its <end>.", frames=frames, live=live)


# What an explorer of the page must have


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_can_stand_on_a_page(name):
    explorer = EXPLORERS[name]()
    assert explorer.live is not None or explorer.frames is not None, "give it frames or live"


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.slow
def test_the_page_is_complete_in_itself(name):
    explorer, text = made(name)
    assert f'alt="{html.escape(explorer.alt)}"' in text
    assert "<noscript>" in text
    assert 'aria-live="polite"' in text
    own = text.replace("http://www.w3.org/2000/svg", "")  # the name of SVG, which nobody fetches
    assert not re.search(r"https?:|@import|\bimport\s*\(|\bfetch\s*\(|XMLHttpRequest|<link\b|url\((?!#)", own)
    assert len(re.findall(r'\ssrc="(?!data:image/webp;base64,)', text)) == 0
    assert len(text) < HEAVIEST
    assert text.count("<script") == text.count("</script>")
    for control in stored(text)["controls"]:
        assert control["label"] and control["title"]
        assert len(control["labels"]) != 1, "a control that cannot be moved"
        assert len(set(control["labels"])) == len(control["labels"]), "two stops that look alike"


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.slow
def test_the_page_has_the_controls_of_the_notebook_and_their_values_or_says_what_it_lacks(name):
    explorer, text = made(name)
    note = html.unescape(re.search(r'class="cp-note" hidden>(.*?)</p>', text)[1])
    shown = {control["key"]: control for control in stored(text)["controls"]}
    assert list(shown) == [key for key in explorer.controls if key in shown], "the same order, and no others"
    for key, control in explorer.controls.items():
        values, default = pages.control_values(control), explorer.default[key]
        number = len(values)
        if values and not any(same(value, default) for value in values):
            values = sorted([*values, default])  # where a slider begins may lie between its steps
        if key not in shown:
            assert explorer.live is None
            assert f"{control.description} stays {pages.value_label(control, default)}" in note
            continue
        on_page = shown[key]
        assert (on_page["label"], on_page["title"]) == (control.description, pages.tooltip_of(control))
        assert on_page["labels"] == [pages.value_label(control, value) for value in on_page["values"]]
        if isinstance(control, ipywidgets.Button):
            continue  # it counts, here and there
        assert same(on_page["values"][on_page["start"]], default)
        places = [next(k for k, v in enumerate(values) if same(v, value)) for value in on_page["values"]]
        assert places == sorted(places)
        if len(places) < number:
            assert explorer.live is None
            assert f"{control.description} has {len(places)} of {number} values" in note


def test_without_frames_and_live_there_is_no_page():
    with pytest.raises(ValueError, match="neither 'live' nor 'frames'"):
        demo().page()


def test_course_page_decides_what_a_notebook_gets(monkeypatch):
    explorer = demo(frames={"colour": ["red", "green"]})
    for switch in (None, "", "0"):
        if switch is None:
            monkeypatch.delenv("COURSE_PAGE", raising=False)
        else:
            monkeypatch.setenv("COURSE_PAGE", switch)
        assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()
    monkeypatch.setenv("COURSE_PAGE", "1")
    bundle = explorer._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == repr(explorer)
    assert 'class="course-page explorer-demo"' in bundle["text/html"]


def test_live_goes_before_frames():
    assert demo(frames={"colour": ["red", "green"]}, live=lambda: "<p>alive</p>").page() == "<p>alive</p>"


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"length": [1]}, "do not exist: length"),
        ({"size": [1, 3]}, "cannot have: .3"),
        ({"size": [1, 1.1]}, "cannot have: .1.1"),
        ({"size": [1, "long"]}, "cannot have"),
        ({"size": [1, True]}, "cannot have"),
        ({"colour": ["red", "blue"]}, "cannot have: .'blue'"),
        ({"size": [0, 2]}, "must contain the default 1"),
        ({"size": []}, "must contain the default 1"),
        ({"size": [k / 4 for k in range(9)] * 4, "colour": ["red", "green"]}, "at most 60 pictures, got 72"),
    ],
)
def test_impossible_frames_are_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        demo(frames=frames)


def test_values_of_a_logarithmic_slider_are_checked_on_its_own_scale():
    slider = ipywidgets.FloatLogSlider(1.0, min=-2, max=2, step=0.5, description="λ", tooltip="weight")

    def made_with(*values):
        return Explorer("demo", {"lam": slider}, lambda lam: None, "Nothing.", frames={"lam": [1.0, *values]})

    assert made_with(10**-1.5, 100).frames == {"lam": [1.0, 10**-1.5, 100]}
    for wrong in (2.0, 1000.0, -1.0, 0.0):
        with pytest.raises(ValueError, match="cannot have"):
            made_with(wrong)


def test_a_control_with_one_value_is_not_shown():
    text = demo(frames={"size": [1.0], "colour": ["red", "green"]}).page()
    assert [control["key"] for control in stored(text)["controls"]] == ["colour"]
    assert len(stored(text)["frames"]) == 2


def test_a_fast_run_draws_ends_and_defaults_and_all_that_can_be_played(monkeypatch):
    monkeypatch.setattr(pages, "FAST", True)
    frames = {"size": [0.0, 0.5, 1.0, 1.5, 2.0], "colour": ["red", "green"]}
    text = demo(frames=frames).page()
    assert [control["values"] for control in stored(text)["controls"]] == [[0.0, 1.0, 2.0], ["red", "green"]]
    assert len(stored(text)["frames"]) == 6
    note = re.search(r'class="cp-note" hidden>(.*?)</p>', text)[1]
    assert note.startswith("6 pictures") and "size has 3 of 9 values" in note
    slider = ipywidgets.SelectionSlider(options=[1, 2, 5, 9], description="size", tooltip="how many")
    line = lambda size: demo().draw(size, "red")  # noqa: E731
    played = Explorer("demo", {"size": slider}, line, "A line.", frames={"size": [1, 2, 5, 9]}, play="size")
    assert stored(played.page())["controls"][0]["values"] == [1, 2, 5, 9]


def test_words_of_a_page_cannot_end_its_script():
    explorer = demo(frames={"colour": ["red", "green"]})
    explorer.controls["colour"].description = "</script><b>"
    text = explorer.page()
    assert text.count("<script") == text.count("</script>")
    assert stored(text)["controls"][0]["label"] == "</script><b>"


# Several explorers on one page

WEIGHTS = re.compile(r'<script type="text/plain" class="cp-block" [^>]*>([^<]+)<')


@pytest.mark.slow
def test_explorers_of_one_page_store_each_block_once_and_one_alone_carries_all():
    alone = [made(name)[1] for name in ("regularisers", "initialisation", "parabola")]
    together = pages.share_blocks(["<p>before</p>", *alone, alone[0]])
    stored = [WEIGHTS.findall(text) for text in alone]
    assert set(stored[0]) & set(stored[1]) and len(set(sum(stored, []))) < len(sum(stored, []))
    contents = WEIGHTS.findall("".join(together))
    assert sorted(contents) == sorted(set(sum(stored, [])))  # nothing is lost, nothing is twice
    assert together[0] == "<p>before</p>" and together[3] == alone[2]  # those that share nothing are as they were
    assert not WEIGHTS.search(together[4])  # the same explorer again needs none of its own
    assert sum(map(len, together)) < sum(map(len, alone)) + len(alone[0]) - len("".join(stored[0])) - 500_000


# Pictures computed beforehand

FRAMES = ["weights"]
LIVE = [name for name in EXPLORERS if name not in FRAMES]


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.slow
def test_each_control_of_the_frames_has_a_step_that_changes_the_picture(name):
    data = stored(made(name)[1])
    numbers = np.array(data["frames"]).reshape([len(control["labels"]) for control in data["controls"]])
    for axis, control in enumerate(data["controls"]):
        assert (np.diff(numbers, axis=axis) != 0).any(), control["key"]
    assert len(set(data["frames"])) == max(data["frames"]) + 2  # each layer is used, and the default picture


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.slow
def test_a_layer_on_the_default_picture_is_the_picture_of_its_frame(name):
    explorer, text = made(name)
    data, pictures = stored(text), block(text, "pictures")
    ground = opened(base64.b64decode(re.search(r'src="data:image/webp;base64,([^"]*)"', text)[1]))
    for frame in (1, len(data["frames"]) - 1):
        where = np.unravel_index(frame, [len(control["labels"]) for control in data["controls"]])
        values = {c["key"]: c["values"][k] for c, k in zip(data["controls"], where, strict=True)}
        number = data["frames"][frame]
        shown = ground[..., :3].copy()
        if number >= 0:
            layer = opened(pictures[data["offsets"][number] : data["offsets"][number + 1]])
            shown[layer[..., 3] > 0] = layer[..., :3][layer[..., 3] > 0]
        drawn = np.asarray(Image.open(io.BytesIO(explorer.png(**{**explorer.default, **values}))).convert("RGB"))
        error = np.abs(shown - drawn.astype(int)).max(2)
        assert error.mean() < 2 and (error > 60).mean() < 0.01, (values, error.mean())  # the palette is coarse


def test_colours_of_lines_survive_the_palette():
    figure = Figure(figsize=(2, 1))
    axes = figure.add_axes((0, 0, 1, 1))
    for k, colour in enumerate(pages.COLOURS.values()):
        axes.axhline(k, color=colour, linewidth=2)
    explorer = demo(frames={"colour": ["red", "green"]}, draw=lambda size, colour: figure)
    before = pages.picture(explorer)
    after = pages._few_colours(before)
    assert np.abs(before.astype(int) - after).max() < 40


# In the browser


@pytest.mark.parametrize("name", EXPLORERS)
def test_it_fits_a_narrow_page_and_each_control_moves_the_picture_by_keyboard(show, name):
    explorer, text = made(name)
    with show(text, width=420) as page:
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        page.set_viewport_size({"width": 900, "height": 900})
        before = look(page)
        controls = page.locator(CONTROLS)
        assert controls.count() == len(stored(text)["controls"])
        words, spent = page.locator(".cp-values").text_content(), []
        assert explorer.alt in page.locator(".cp-card").evaluate(
            "e => e.innerText + [...e.querySelectorAll('img')].map(i => i.alt)"
        )
        for k in range(controls.count()):
            key = controls.nth(k).get_attribute("data-key")
            for jump in ("", "Home", "End"):  # one step may lead to the same picture, not all
                start = time.perf_counter()
                assert press(page, controls.nth(k), jump), f"{key} does not move"
                settled(page)
                spent.append(time.perf_counter() - start)
                after = look(page)
                if after != before:
                    break
            assert after != before, f"{key} changes nothing"
            before = after
        assert page.locator(".cp-values").text_content() != words
        assert page.locator(".cp-problem").count() == 0 and page.locator(".cp-note").is_visible()
        conftest.MEASURED.append(f"page {name}: {1000 * np.median(spent):.0f} ms a move until the figure rests")


@pytest.mark.parametrize("name", EXPLORERS)
def test_what_is_damaged_says_so_and_shows_the_stored_picture(show, name):
    explorer, text = made(name)
    damaged = re.findall(r'(data-name="([^"]+)" data-crc="\d+">)([^<]+)<', text)
    start, what, content = damaged[0] if damaged else ("", "", "")
    if damaged:  # one letter of the weights, or of the pictures
        middle = len(content) // 2
        wrong = content[:middle] + ("A" if content[middle] != "A" else "B") + content[middle + 1 :]
        broken, message = text.replace(start + content, start + wrong), f"the stored {what} are damaged"
    else:
        broken, message = text.replace("run(page);", 'throw new Error("out of order");'), "out of order"
    assert broken != text
    with show(broken) as page:
        assert message in page.locator(".cp-problem").inner_text()
        picture = page.get_by_alt_text(explorer.alt)
        assert picture.is_visible()
        assert picture.evaluate("e => e.complete && e.naturalWidth > 100")
        assert not page.locator(".cp-controls").is_visible()


def test_a_page_whose_data_are_cut_says_so(show):
    explorer, text = made("parabola")
    broken = text.replace('class="cp-data">{', 'class="cp-data">')
    assert broken != text
    with show(broken) as page:
        assert page.locator(".cp-problem").count() == 1
        assert page.get_by_alt_text(explorer.alt).is_visible() and not page.locator(".cp-controls").is_visible()


def test_shared_weights_work_and_their_damage_is_told_by_each_explorer(show):
    names = ["latent", "regularisers"]  # the second finds the weights of the first
    first, second = pages.share_blocks([made(name)[1] for name in names])
    with show(first + second) as page:
        for k in range(2):
            settled(page, k)
        assert page.locator(".cp-problem").count() == 0
        assert page.evaluate("document.querySelectorAll('.course-page')[1].regularisers.done")
    damaged = re.sub(r'(data-name="weights of vae" data-crc="\d+" id="[^"]*">)A*(.)', r"\g<1>AAAA\g<2>", first)
    assert damaged != first
    for text, message in ((damaged + second, "weights of vae are damaged"), (second, "they stood in another figure")):
        with show(text) as page:
            problems = page.locator(".cp-problem").all_inner_texts()
            assert len(problems) == len(page.locator(".course-page").all()) and all(message in p for p in problems)
            for name in names[-len(problems) :]:
                assert page.get_by_alt_text(made(name)[0].alt).is_visible()


def test_an_error_during_a_move_shows_the_stored_picture_too(show):
    explorer, text = made("parabola")
    broken = text.replace("const count =", "if (y1 !== 0) throw new Error('moved too far'); const count =")
    assert broken != text
    with show(broken) as page:
        assert page.locator(".cp-problem").count() == 0
        press(page, page.locator("[data-key=y1]"))
        assert "moved too far" in page.locator(".cp-problem").inner_text()
        assert page.get_by_alt_text(explorer.alt).is_visible()


@pytest.mark.parametrize("name", EXPLORERS)
def test_without_javascript_the_picture_stays(show, name):
    explorer, text = made(name)
    with show(text, javascript=False) as page:
        picture = page.get_by_alt_text(explorer.alt)
        assert picture.is_visible()
        pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("L"))
        assert pixels.shape[1] > 300 and pixels.std() > 10
        assert "Without JavaScript" in page.locator("noscript").inner_text()
        assert not page.locator(".cp-note").is_visible()  # it speaks of a figure that moves


def test_several_explorers_on_one_page_leave_each_other_alone(show):
    names = ["parabola", "weights", "interpolation"]
    texts = [made(name)[0].page() if name == "parabola" else made(name)[1] for name in [*names, "parabola"]]
    with show("\n".join(texts)) as page:
        before = [content(page, k) for k in range(4)]
        drawn = re.compile(r"course-parabola-\d+")
        assert drawn.sub("", before[0]) == drawn.sub("", before[3])
        for moved in range(4):
            press(page, page.locator(".course-page").nth(moved).locator("input[type=range]").first)
            after = [content(page, k) for k in range(4)]
            assert [a != b for a, b in zip(after, before, strict=True)] == [k == moved for k in range(4)]
            before = after
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))


#: What themes of books do to pictures and captions in dark mode, and to the parts of a form.
THEME = """<style>
html[data-theme=dark] .content img:not(.only-dark,.none) { filter: brightness(.8); background-color: #fff; }
html[data-theme=dark] .content p { margin: 0 0 2em; color: #eee; }
legend { width: 100%; } body { background: #111; color: #eee; }
</style><script>document.documentElement.dataset.theme = "dark";</script>"""


@pytest.mark.parametrize("name", ["weights", "interpolation"])
def test_the_style_of_the_book_does_not_reach_into_the_figure(show, name):
    text, seen = made(name)[1], []
    for around in ("", THEME):
        with show(f'{around}<div class="content"><div>{text}</div></div>', width=700) as page:
            press(page, page.locator("input[type=range]").first)
            settled(page)
            # not the card, whose edge may share a pixel with the ground around it
            seen.append(page.locator(".cp-card > :not([hidden])").screenshot())
    assert seen[0] == seen[1]
