"""A book of one short chapter, with one of everything that its pages have to cope with; as small as can be."""

import base64
import io
import shutil
from pathlib import Path

import book_tools
import build
import head
import mathjax
import nbformat
import pages
import prepare
import yaml
from PIL import Image
from questions import questions

STEM = "98-small"
#: As a kernel fills it in.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
TEXT = [
    "# 98 Small\n\n> **Why?**",
    (["setup"], "import os"),
    "## 1 A prediction\n\nText before, with $x$.\n\n**Predict, then run.** Which one wins at $\\lambda=1$?\n\n"
    "- [ ] TV with $\\lambda$\n- [ ] H1\n- [ ] neither",
    ([], "value = compute()\nprint(value)", "TV wins by far\n"),
    ([], "assert value > 1\nprint(2)", "second output\n"),
    "It was TV, as said of it.\n\n**Another subject.** It stays.\n\n**Predict, then run.** How much?\n\n- [ ] ____ dB",
    ([], "value = compute(2)\nprint(value)", "seven\n"),
    "## 2 Explorers",
    (["explorer"], "one", {"text/html": '<div class="course-page"><button>first</button><button>b</button></div>'}),
    "Between them, [a link](https://example.org).",
    (["explorer"], "two", {"text/html": '<div class="course-page"><button>second</button></div>'}),
    "## 3 Wide\n\n| " + " | ".join(["a wide column"] * 9) + " |\n" + "|---" * 9 + "|\n| " + " | ".join("12" * 9) + " |",
    ([], f"long = compute({', '.join(f'argument_{k}={k}' for k in range(30))})\nlong", "a line " * 60),
    ([], "figure(x)", {"image/png": "picture"}),
    "## Quiz\n\n**1.** What is right?\n\n- [ ] This.\n- [ ] That with $\\mu$.\n- [ ] Neither.\n\n"
    "<details><summary>Answer</summary>\n\n**That with $\\mu$.** The reason for it.\n</details>\n\n"
    "**2.** And now?\n\n- [ ] Yes.\n- [ ] No.\n\n<details><summary>Answer</summary>\n\n**Yes.** Because.\n</details>",
]


def picture() -> str:
    """A wide grey picture, as a notebook stores it."""
    buffer = io.BytesIO()
    Image.new("L", (1600, 300), 200).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def notebook():
    """The chapter as if it had been run."""
    cells = []
    for part in TEXT:
        if isinstance(part, str):
            cells.append(nbformat.v4.new_markdown_cell(part))
            continue
        tags, source, *shown = part
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": tags, "mystnb": {"image": {"alt": "A grey field."}}})
        for output in shown:
            if isinstance(output, str):
                cell.outputs.append(nbformat.v4.new_output("stream", text=output))
            else:
                data = {kind: picture() if kind == "image/png" else value for kind, value in output.items()}
                cell.outputs.append(nbformat.v4.new_output("display_data", data=data))
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def made(folder: Path) -> Path:
    """The site, in ``folder``."""
    book_tools.jupyter_book()
    book_tools.packages(mathjax)
    source, site = folder / "source", folder / "site"
    (source / "notebooks").mkdir(parents=True)
    shutil.copyfile(build.BOOK / "_config.yml", source / "_config.yml")
    (source / "references.bib").write_text("", encoding="utf-8")
    chapter = notebook()
    texts = [cell.source for cell in chapter.cells if cell.cell_type == "markdown"]
    keys = {"prediction": [], "quiz": []}
    for question in (question for text in texts for question in questions(text, STEM)):
        keys[question.kind].append(question.key)
    nbformat.write(prepare.page(chapter, STEM, set()), source / "notebooks" / f"{STEM}.ipynb")
    marks = [f'- <span data-{kind}="{" ".join(found)}">{len(found)}</span>' for kind, found in keys.items()]
    items = "\n".join(['- <span data-exercise="98-1"></span>One', *marks])
    progress = f'# Progress\n\n<div id="exercises">\n\n{items}\n\n</div>\n\n{pages.script("progress.js")}'
    (source / "progress.md").write_text(progress, encoding="utf-8")
    (source / "index.md").write_text("# Small book\n\nNothing here.", encoding="utf-8")
    contents = {"format": "jb-book", "root": "index", "chapters": [{"file": f"notebooks/{STEM}"}, {"file": "progress"}]}
    (source / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    build.lay_out_assets(source)
    build.write_pages(source, site)
    head.finish(site)
    return site
