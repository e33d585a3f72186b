"""Slides and dashboards: what goes on them, and one small deck in headless Chromium without a network.

The browser tests need npm, or reveal.js and MathJax in the cache, and Chromium.  Without them they skip and say why, or
fail where CI is set.  The decks of the chapters are tested in test_decks.py.
"""

import ast
import base64
import doctest
import html
import io
import re

import book_tools
import dashboard
import nbformat
import numpy as np
import pytest
import slide_rules
import slide_text
import slides
from deck_tools import FAULTS, faults, opened
from ipywidgets import IntSlider
from matplotlib.figure import Figure
from PIL import Image
from prepare import PageError

from course_utils.explore.base import Explorer
from course_utils.notebooks import chapters, generate
from course_utils.properties import ScoreCard
from course_utils.properties.card import Score


def png(width, height, blank=()):
    """A grey picture with blank rows, in base64."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[list(blank)] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def size(picture):
    return Image.open(io.BytesIO(picture)).size


PICTURE = png(200, 100)


def text(source, slide_type=None):
    metadata = {"slideshow": {"slide_type": slide_type}} if slide_type else {}
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def code(source, *outputs, tags=(), slide_type=None, alt=None):
    metadata = {"tags": list(tags)}
    if slide_type:
        metadata["slideshow"] = {"slide_type": slide_type}
    if alt:
        metadata["mystnb"] = {"image": {"alt": alt}}
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def shown(**data):
    return nbformat.v4.new_output("display_data", data={key.replace("_", "/"): value for key, value in data.items()})


def printed(words):
    return nbformat.v4.new_output("stream", text=words)


def made(*cells):
    notebook = nbformat.v4.new_notebook(cells=[text("# 99 Small\n\n> Why?"), *cells])
    return slide_rules.slides(notebook)


def on_slides(found):
    return "".join(part for slide in found for part in slide.parts)


def in_notes(found):
    return "".join(note for slide in found for note in slide.notes)


# What goes where


def test_headings_make_columns_and_slides_below():
    found = made(text("## One\n\nFirst.\n\n### Below\n\nSecond.\n\n## Two"))
    assert [(slide.level, slide.title) for slide in found] == [(1, "99 Small"), (2, "One"), (3, "Below"), (2, "Two")]
    page = slides.deck(found, "99 Small")
    body = page[page.index('<div class="slides">') :]
    columns = re.split(r"<section>\n", body)[1:]
    assert [column.count("<section class=") for column in columns] == [1, 2, 1]
    assert "<blockquote>" in columns[0] and 'class="part"' in columns[2]


def test_the_first_sentences_are_shown_and_the_whole_text_is_for_the_speaker():
    first = f"It is *short*. It has $a. B$, eq. (3). The third, {'very ' * 60}long."
    found = made(text(f"## One\n\n{first}\n\nA later one. It leads to:\n\n$$ x^2 < y $$"))
    assert r"It is <em>short</em>." in on_slides(found) and r"\(a. B\)" in on_slides(found)
    assert "The third" not in on_slides(found) and "A later one." not in on_slides(found)
    assert "It leads to:" in on_slides(found) and r"\[x^2 &lt; y\]" in on_slides(found)
    assert "The third" in in_notes(found) and "A later one." in in_notes(found)


def test_lists_tables_quotations_and_predictions_are_shown_in_full():
    source = (
        "## One\n\nLead.\n\n- a\n- b\n\n| c | d |\n|:--|:--|\n| 1 | 2 |\n\n**Predict, then run.** How many? Why? When?"
    )
    shown_part = on_slides(made(text(source)))
    for part in ("<li>a</li>", "<td>2</td>", "<th>c</th>"):
        assert part.replace(">", "") in shown_part.replace(' style="text-align:left"', "").replace(">", "")
    assert re.search(r'class="predict">.*How many\? Why\? When\?', shown_part)


def test_pictures_tables_and_explorers_are_shown_and_code_is_not():
    found = made(
        text("## One\n\nLead."),
        code("plot()", shown(image_png=PICTURE), alt='A "curve".'),
        code("table()", shown(text_markdown="| a |\n|---|\n| 7 |")),
        code("print(1)", printed("one line\n"), printed("a  1\nb  2\nc  3\n")),
        code("print(2)", printed("So.\nAnd so.\nAnd so  on.\n")),
        code("e = f()\ne.static()", shown(image_png=PICTURE), tags=["explorer"]),
        code("e", shown(text_html='<div class="course-page">live</div>'), tags=["explorer"]),
    )
    assert [slide.kind for slide in found] == ["text", "text", "picture", "output", "explorer"]
    assert {slide.title for slide in found[1:]} == {"One"}
    assert f'alt="A &quot;curve&quot;." src="data:image/png;base64,{PICTURE}"' in found[2].parts[0]
    assert "<td>7</td>" in found[3].parts[0]
    assert "a  1\nb  2\nc  3" in found[3].parts[1]  # two small tables have room on one slide
    assert "one line" in found[3].parts[1]  # printed by the same cell, just above it
    assert "And so  on." in in_notes(found) and "plot()" not in on_slides(found) + in_notes(found)
    assert on_slides(found).count(PICTURE) == 1  # the explorer stands for its own picture


def test_a_score_card_keeps_its_columns_on_a_slide():
    card = ScoreCard("G", "made", [Score("B2 radius", "root mean square of ||z||", "1", 1.14, 0.02, "1", 1.0)], {}, 0.0)
    row = on_slides(made(text("## One"), code("card", shown(text_markdown=card.markdown()))))
    assert "root mean square of ||z||</td>" in row and row.count("<td") == 7


def test_setup_hints_answers_solutions_and_references_are_left_out():
    fold = "<details><summary>{}</summary>\n\nSecret {}.\n\n- secret list\n</details>\n\n"
    found = made(
        code("import os", printed("secret  1\nsecret  2\nsecret  3\n"), tags=["setup"]),
        text("## One\n\nLead.\n\n### Exercise 1: do it\n\nThe statement. It is long. All of it.\n\n$$ s $$"),
        code("check()", printed("secret  1\nsecret  2\nsecret  3\n")),
        text(fold.format("<b>Hint</b>", 1) + fold.format("<b>Solution</b>", 2)),
        code("secret()", shown(image_png=PICTURE), tags=["solution"]),
        text("Afterwards.\n\n## Quiz\n\n**1.** What? And why? How?\n\n" + fold.format("Answer", 3)),
        text("## References\n\n- secret book"),
        text("## Last\n\nThe end.\n\n" + "<details><summary>What to find</summary>\n\nA pearl.\n</details>"),
    )
    everything = on_slides(found) + in_notes(found) + "".join(slide.title for slide in found)
    assert "ecret" not in everything and PICTURE not in everything and "References" not in everything
    assert "The statement. It is long. All of it." in on_slides(found) and r"\[s\]" in on_slides(found)
    assert "What? And why? How?" in on_slides(found)
    (after,) = [slide for slide in found if "Afterwards." in on_slides([slide])]
    assert after.title == "One"  # the section goes on where the exercise has ended
    assert "A pearl." in in_notes(found) and "A pearl." not in on_slides(found) and "The end." in on_slides(found)


def test_the_metadata_of_a_cell_overrules():
    found = made(
        text("## Skipped", "skip"),
        text("## One\n\nAll. Of. This. Is. Shown.", "slide"),
        text("Spoken only.", "notes"),
        code("a < b", printed("x\n"), slide_type="slide"),
        code("plot()", shown(image_png=PICTURE), slide_type="skip"),
    )
    assert [slide.title for slide in found] == ["99 Small", "One"]
    assert "All. Of. This. Is. Shown." in on_slides(found) and "a &lt; b" in on_slides(found)
    assert "Spoken only." in in_notes(found) and PICTURE not in on_slides(found)


def test_a_long_text_goes_on_further_slides_and_nothing_is_lost():
    items = [f"- {'word ' * 40}{number}." for number in range(9)]
    for gap in ("\n\n<!-- -->\n\n", "\n"):  # nine lists, and one list of nine
        found = made(text("## One\n\n" + gap.join(items)))
        assert len(found) > 2 and {slide.title for slide in found[1:]} == {"One"}
        assert all(slide_text.height(part) <= 1.2 * slide_text.ROOM for slide in found for part in slide.parts)
        assert [number for number in range(9) if f" {number}." in on_slides(found)] == list(range(9))


def test_long_tables_and_numbered_lists_are_divided_row_by_row():
    rows = "\n".join(f"| {number} | what it is |" for number in range(40))
    found = made(text(f"## One\n\nForty rows:\n\n| n | word |\n|---|---|\n{rows}"))[1:]
    assert len(found) > 2 and "Forty rows:" in found[0].parts[0]
    counts = [on_slides([slide]).count("<tr>") - 1 for slide in found]
    assert sum(counts) == 40 and max(counts) - min(counts) <= 2  # about equal, and each with the head of the table
    assert all("<th>word</th>" in on_slides([slide]) for slide in found)
    items = "\n".join(f"{number + 1}. item {number}\n    - a\n    - b" for number in range(16))
    found = made(text(f"## One\n\n{items}"))[1:]
    assert len(found) > 1
    for slide in found:
        first = int(re.search(r"item (\d+)", slide.parts[0])[1])
        assert slide.parts[0].startswith(f'<ol start="{first + 1}">')
        assert slide.parts[0].count("<ul>") == slide.parts[0].count("</ul>") > 0


def test_emphasis_and_brackets_end_where_they_should():
    found = made(
        text("## One\n\n**The problem.** A digit. (Is it? Yes.) *So be it.* It has $x$. " + "More words. " * 40)
    )
    shown_part = on_slides(found)
    for part in ("<strong>The problem.</strong> A digit.", "(Is it? Yes.)", "<em>So be it.</em>"):
        assert part in shown_part
    assert (
        '<span class="closed"><span class="math inline">\\(x\\)</span>.</span>' in shown_part
    )  # one line or the other


def test_a_formula_stands_with_its_words_and_commands_are_for_readers():
    source = "First. " + "Long. " * 70 + "\n\nAnother thought. Take the mean, and\n\n$$ a $$\n\n$$ b $$"
    found = made(text(f"## One\n\n{source}"), text("It ran once (`python -m x fig7`). And `python -m x` too. So?"))
    assert any("Take the mean, and" in part and r"\[a\]" in part for slide in found for part in slide.parts)
    assert "It ran once. So?" in on_slides(found) and "python -m" not in on_slides(found)
    assert "python -m x fig7" in in_notes(found)


def test_explorers_of_a_deck_share_what_they_store():
    block = '<script type="text/plain" class="cp-block" data-name="w" data-crc="1">AAAA</script>'
    explorer = shown(text_html=f'<div class="course-page">{block}</div>')
    found = made(text("## One"), *[code("e", explorer, slide_type=kind) for kind in ("skip", None, None)])
    assert [part.count("AAAA") for slide in found[2:] for part in slide.parts] == [0]
    assert on_slides(found).count("AAAA") == 1 and on_slides(found).count('data-name="w"') == 2


# Predictions


def test_a_prediction_stands_alone_and_what_was_seen_comes_next():
    source = "## One\n\nContext.\n\n{}\n\nMore of it.\n\n1. Look here."
    for prompt in ("**Predict, then run.** Why?", "**Predict first.** Why?", "It is so. It is. **Predict:** Why?"):
        found = made(text(source.format(prompt)), code("run()", printed("PSNR 1 dB\nPSNR 2 dB\n")), text("Because."))
        (k,) = [k for k, slide in enumerate(found) if slide.kind == "question"]
        assert len(found[k].parts) == 1 and "Why?" in found[k].parts[0] and "Context." not in found[k].parts[0]
        assert ("It is so. It is." in found[k].parts[0]) == prompt.startswith("It")
        assert "Context." in on_slides(found[:k]) and "More of it." in on_slides(found[k:]) + in_notes(found[k:])
        for after in ("Look here.", "PSNR 2 dB", "Because."):
            assert after in on_slides(found[k + 1 :]) and after not in on_slides(found[: k + 1])


def test_choices_stand_with_their_question():
    found = made(text("## One\n\n**Predict, then run.** Why?\n\n- [ ] TV\n- [ ] H1"), code("run()", printed("seven\n")))
    (question,) = [slide for slide in found if slide.kind == "question"]
    assert question.parts[0].endswith("<li>H1</li>\n</ul>\n</div>") and "[ ]" not in on_slides(found)
    assert "seven" in on_slides(found[-1:])
    found = made(text("## Quiz\n\n**1.** What?\n\n- [ ] TV\n- [ ] H1"))
    assert "<li>TV</li>" in on_slides(found) and "[ ]" not in on_slides(found)


def test_one_printed_line_stands_with_the_picture_that_follows_it():
    question, line = text("## One\n\n**Predict, then run.** Why?"), code("run()", printed(f"{'far ' * 40}\na & b: 3\n"))
    found = made(question, line, code("f()", shown(image_png=png(600, 150))), text("Because."))
    assert [slide.kind for slide in found] == ["text", "question", "picture"]
    assert found[2].parts[1:] == ["<p><code>a &amp; b: 3</code></p>", "<p>Because.</p>\n"]
    found = made(question, line)
    assert on_slides(found[2:]) == "<p><code>a &amp; b: 3</code></p>" and "far far" in in_notes(found)
    found = made(question, code("run()", printed("15 runs in 4 s\n")))
    assert "15 runs" in in_notes(found) and "15 runs" not in on_slides(found)


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_prediction_of_every_chapter_stands_alone(path):
    notebook = generate(path)
    asked, wanted = 0, []
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.metadata.get("tags"):
            cell.metadata.pop("slideshow", None)
            # the two kinds of outcome: a printed report, and a picture whose description is an answer
            cell.outputs = [printed(f"outcome {asked}\nas printed\n")]
            if asked % 2:
                cell.outputs.append(shown(image_png=PICTURE))
                cell.metadata["mystnb"] = {"image": {"alt": f"outcome {asked}"}}
        elif cell.cell_type == "markdown":
            visible = re.sub(r"<details.*?</details>", "", cell.source, flags=re.DOTALL)
            prompts = re.findall(r"\*\*Predict[^*]*\*\*(.*?)(?=\n\n|\Z)", visible, re.DOTALL)
            wanted += prompts
            asked += len(prompts)
    found = slide_rules.slides(notebook)
    questions = [k for k, slide in enumerate(found) if slide.kind == "question"]
    assert len(questions) == len(wanted) > 1
    for number, k in enumerate(questions, start=1):
        slide, following = found[k], found[k + 1]
        assert len(slide.parts) == 1 and slide.parts[0].count('class="predict"') == 1
        assert "outcome" not in slide.parts[0]
        assert slide.parts[0].rstrip().endswith("</div>"), "something follows the question"
        assert following.parts and following.kind != "question"
        if following.kind in ("output", "picture"):
            assert f"outcome {number}" in following.parts[0]
    assert not any("**Predict" in part or "<strong>Predict" in part for slide in found
                   if slide.kind != "question" for part in slide.parts)  # fmt: skip


# Pictures


def test_words_stand_below_a_wide_picture_and_beside_a_tall_one_and_never_make_it_smaller():
    layouts = {}
    for name, (width, height) in {"wide": (600, 150), "tall": (200, 200), "between": (180, 100)}.items():
        found = made(text("## One"), code("f()", shown(image_png=png(width, height))), text("It is so."))[1:]
        layouts[name] = [slides.section(slide).partition(">")[0] for slide in found]
    assert layouts == {
        "wide": ['<section class="picture below"'],
        "tall": ['<section class="picture beside"'],
        "between": ['<section class="picture"', '<section class="text"'],
    }


def test_a_picture_is_cut_at_a_blank_line_near_the_place_that_is_named():
    tall = base64.b64decode(png(100, 200, blank=[*range(20, 24), *range(80, 90), *range(97, 99)]))
    upper, lower = slide_rules.cut(tall, 0.41)
    assert size(upper) == (100, 80) and size(lower) == (100, 110)  # without the blank rows between them
    assert slide_rules.cut(tall, None) == [tall]
    for wrong in (0.2, 0.49, 0.6, 1.1):  # two blank rows part lines of a title, not pictures
        with pytest.raises(ValueError, match=r"there: 0\.110, 0\.425"):
            slide_rules.cut(tall, wrong)
    with pytest.raises(ValueError, match="there: none"):
        slide_rules.cut(base64.b64decode(PICTURE), 0.5)
    cell = code("f()", shown(image_png=base64.b64encode(tall).decode()), alt="Two.")
    cell.metadata["slideshow"] = {"cut": 0.42}
    assert [slide.kind for slide in made(text("## One"), cell)] == ["text", "picture", "picture"]


def test_every_part_of_a_picture_keeps_its_labels():
    pixels = np.full((60, 300, 3), 255, np.uint8)
    for first, last, grey in ((0, 20, 10), (30, 100, 90), (120, 200, 120), (220, 300, 150)):
        pixels[:, first:last] = grey
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    parts = [np.asarray(Image.open(io.BytesIO(part))) for part in slide_rules.cut(buffer.getvalue(), [0.37, 0.7], 0.08)]
    assert [sorted({*part[:, :, 0].flatten()} - {255}) for part in parts] == [[10, 90], [10, 120], [10, 150]]
    assert all(part.shape[0] == 60 for part in parts)
    for places, keep in (([0.7, 0.37], 0.08), (0.37, 0.37), (0.37, 0.7)):
        with pytest.raises(ValueError, match="one behind the other"):
            slide_rules.cut(buffer.getvalue(), places, keep)


def test_the_examples_of_the_rules_run():
    for module, least in ((slide_rules, 1), (slide_text, 5)):
        done = doctest.testmod(module)
        assert done.attempted >= least and done.failed == 0


def test_words_that_lead_to_a_list_go_with_it():
    found = made(text("## One\n\n> Quoted.\n\n**You will**\n\n- " + "word " * 250))
    assert [len(slide.parts) for slide in found[1:]] == [1, 1] and "You will" in found[2].parts[0]


def test_a_deck_needs_a_title(tmp_path):
    with pytest.raises(PageError, match="99-small"):
        slides.write(nbformat.v4.new_notebook(cells=[text("No title.")]), tmp_path, "99-small")


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_every_chapter_makes_slides_with_its_formulas_and_without_its_solutions(path):
    notebook = generate(path)
    found = slide_rules.slides(notebook)
    headings = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    wanted = len(re.findall(r"^## (?!References)", "\n".join(headings), re.MULTILINE))
    assert sum(slide.level == 2 for slide in found) == wanted > 5
    everything = on_slides(found) + in_notes(found)
    folded = re.compile(r"<details.*?</details>|^## References.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    formulas = re.findall(r"\$\$(.+?)\$\$", "\n".join(folded.sub("", source) for source in headings), re.DOTALL)
    lost = [formula for formula in formulas if html.escape(formula.strip()) not in on_slides(found)]
    assert formulas and not lost
    assert "<details" not in everything and "$$" not in everything
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            assert cell.source not in everything


# Dashboards


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_dashboard_holds_every_explorer_of_its_chapter_and_no_exercise(path, tmp_path):
    chapter = generate(path)
    pairs = [cell for cell in chapter.cells if "explorer" in cell.metadata.get("tags", [])]
    made = nbformat.read(dashboard.write(path, tmp_path), as_version=4)
    nbformat.validate(made)
    cells = [cell.source for cell in made.cells if "explorer" in cell.metadata.get("tags", [])]
    assert len(cells) == len(pairs) / 2 > 0
    assert cells == [
        first.source.rpartition("\n")[0] + "\n" + second.source
        for first, second in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    assert made.cells[0].source == chapter.cells[0].source.splitlines()[0]
    words = "\n".join(cell.source for cell in made.cells)
    assert "xercise" not in words and "course_utils.checks" not in words and ".static()" not in words
    # every name that the explorers use is brought by the imports or made before
    known = set()
    for cell in made.cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.alias):
                    known.add(node.asname or node.name.split(".")[0])
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    known.add(node.id)
    names = {node.id for source in cells for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert names <= known


def test_voila_is_bound_to_this_machine_and_a_chapter_without_explorer_is_refused(tmp_path, monkeypatch):
    started = dashboard.command(tmp_path / "a.ipynb")
    assert started[1:4] == ["-m", "voila", str(tmp_path / "a.ipynb")] and "--Voila.ip=127.0.0.1" in started
    settings = next(word for word in started if word.startswith("--Voila.tornado_settings=")).partition("=")[2]
    policy = ast.literal_eval(settings)["headers"]["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'") and "http" not in policy  # the page asks no other machine
    with pytest.raises(PageError, match="99-small"):
        dashboard.dashboard(nbformat.v4.new_notebook(cells=[text("# 99 Small")]), "99-small")
    with pytest.raises(SystemExit, match="77"):
        dashboard.main(["77", "--make"])
    monkeypatch.setattr(dashboard, "write", lambda text: tmp_path / "a.ipynb")
    monkeypatch.setattr(dashboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="make dashboard"):
        dashboard.main([chapters()[0].stem])


# In the browser


def frames_explorer():
    figure = Figure(figsize=(6, 3))
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))

    def draw(height):
        axes.clear()
        axes.bar([0], [height])
        axes.set_ylim(0, 5)
        return figure

    control = IntSlider(2, 1, 4, description="height", tooltip="height of the bar")
    return Explorer("bar", {"height": control}, draw, alt="One blue bar.", frames={"height": [1, 2, 3, 4]})


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    book_tools.vendored()
    slides.furnish(folder)
    wide = r"\begin{aligned}" + " ".join(f"x_{{{k}}} + y_{{{k}}} =" for k in range(12)) + r"\end{aligned}"
    rows = "\n".join(f"| {number} | {'a long entry of the table ' * 2} | 3 |" for number in range(30))
    cells = [
        text("# 99 Small\n\n> Why $a^2$?"),
        text("## One\n\nA formula:\n\n$$ \\|Ax-y\\|_2^2 + \\lambda R(x) $$\n\nThe rest is spoken. It is."),
        code("e = bar()\ne.static()", shown(image_png=PICTURE), tags=["explorer"]),
        code("e", shown(text_html=frames_explorer().page()), tags=["explorer"]),
        text("## Two\n\n" + "\n".join(f"- line {number} of a long list" for number in range(40))),
        text(f"Too wide:\n\n$$ {wide} $$\n\n| n | words | k |\n|---|---|--:|\n{rows}"),
        text("**Predict, then run.** " + "What will it be? " * 60),
        code("f()", printed("\n".join("  ".join(f"{k:9d}" for k in range(12)) for _ in range(20)))),
        code("f()", shown(image_png=png(900, 300)), alt="Wide."),
        text("A sentence below. " * 6),
        code("f()", shown(image_png=png(300, 900)), alt="Tall."),
        text("A sentence beside. " * 12),
    ]
    return slides.write(nbformat.v4.new_notebook(cells=cells), folder, "99-small")


@pytest.fixture
def page(deck, browser):
    with opened(browser, deck) as page:
        yield page


def place(page):
    return page.evaluate("Object.values(Reveal.getIndices()).slice(0, 2).join()")


def test_a_deck_turns_by_key_and_its_explorer_keeps_its_own_keys(page):
    page.wait_for_selector(".present mjx-container")
    assert place(page) == "0,0"
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".present.text mjx-container[display=true]")
    assert place(page) == "1,0"
    assert not page.locator("aside.notes").first.is_visible()
    page.keyboard.press("ArrowDown")
    assert place(page) == "1,1"
    card = page.locator(".present .cp-card")
    idle = "document.querySelector('.course-page').dataset.busy === 'no'"
    page.wait_for_function(idle)
    box = card.bounding_box()
    assert box["width"] > 700 and box["y"] + box["height"] <= 720  # enlarged, and nothing below the edge
    before = card.screenshot()
    slider = page.locator(".course-page input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(idle)
    assert slider.input_value() == "2" and card.screenshot() != before
    assert place(page) == "1,1"
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert place(page) == "2,0" and slider.input_value() == "2"
    # the controls of other slides cannot take the keys
    page.evaluate("document.querySelector('.course-page input').focus()")
    assert page.evaluate("document.activeElement.closest('.course-page') === null")


def test_every_slide_fits_and_can_be_read(page):
    assert page.evaluate("Reveal.getTotalSlides()") > 10
    assert not faults(page)
    # and the measure sees what would not fit
    page.evaluate("Reveal.slide(0, 0)")
    page.evaluate("document.querySelector('.present .body').insertAdjacentHTML('beforeend', '<p>line</p>'.repeat(40))")
    assert any("too high" in fault for fault in page.evaluate(FAULTS))


def test_a_printed_deck_has_a_page_for_each_slide_and_cuts_nothing(deck, page, browser):
    total = page.evaluate("Reveal.getTotalSlides()")
    printed_deck = slides.on_paper(browser, deck)
    content = printed_deck.read_bytes()
    assert printed_deck == deck.with_suffix(".pdf") and content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", content)) == total
    paper = browser.new_page()
    paper.emulate_media(media="print")
    paper.goto(f"{deck.as_uri()}?print-pdf")
    paper.wait_for_function(slides.DRAWN)
    boxes = "document.querySelectorAll('.body, .math.block, .body pre')"
    wide = paper.evaluate(f"[...{boxes}].filter(box => box.scrollWidth > box.clientWidth + 1).length")
    high = paper.evaluate(f"[...{boxes}].filter(box => box.scrollHeight > box.clientHeight + 1).length")
    assert (wide, high) == (0, 0) and paper.locator("mjx-container").count() > 0
    paper.close()


def test_what_cannot_be_printed_says_why(deck, browser, monkeypatch):
    with pytest.raises(RuntimeError, match="99-small.html could not be printed"):
        slides.on_paper(browser, deck, patience=0.001)
    monkeypatch.setattr(slides.browser, "browser_path", lambda: None)
    with pytest.raises(RuntimeError, match="Chromium"):
        slides.printed([deck])
