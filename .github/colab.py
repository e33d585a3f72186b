"""Run every chapter as Colab does: in its image, each set up by its own first cell; for the weekly check only.

    python3 /content/course/.github/colab.py

The course lies in /content/course already, so the first cell installs it and does not clone it.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

COURSE = Path("/content/course")
KEPT = ("torch", "numpy")
#: What tells a chapter that it is on Colab; the image alone, without Colab's front end, does not.
ON_COLAB = "import sys, types\nsys.modules.setdefault('google.colab', types.ModuleType('google.colab'))"


def main() -> int:
    before = {name: version(name) for name in KEPT}
    failed = []
    for path in sorted((COURSE / "notebooks").glob("**/[0-9][0-9]-*.ipynb")):  # the students' copies too
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(ON_COLAB))
        try:
            NotebookClient(notebook, timeout=900, kernel_name="python3").execute(cwd="/content")
            print(f"{path.relative_to(COURSE)}: good", flush=True)
        except Exception as error:  # one bad chapter must not hide the next
            failed.append(str(path.relative_to(COURSE)))
            print(f"{path.relative_to(COURSE)}: {error}", flush=True)
    after = {name: version(name) for name in KEPT}
    if after != before:
        failed.append(f"versions changed from {before} to {after}")
    print("failed: " + ", ".join(failed) if failed else "all good")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
