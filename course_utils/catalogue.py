"""The chapters as they describe themselves: ``chapters/<name>/chapter.yml``, read and checked.

Everything that lists chapters comes from here: the README's rows, the table of chapter 00, the contents of the book,
the registries of explorers and of experiments.

>>> chapter = catalogue()["regularisers"]
>>> chapter.stem, sorted(chapter.explorers)
('05-generative-regularisers', ['initialisation', 'parabola', 'regularisers'])
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

__all__ = ["Chapter", "FOLDER", "catalogue"]

FOLDER = Path(__file__).parent / "chapters"
KEYS = {"number", "slug", "title", "question", "minutes", "explorers", "experiments"}


@dataclass(frozen=True)
class Chapter:
    """One chapter.

    Attributes
    ----------
    name : str
        Of its folder and its Python package.
    number : int
        Stands in ``chapter.yml`` and nowhere else; file names are made from it.
    slug, title, question : str
    minutes : dict
        "read" and "run", in words.
    explorers : dict of str -> str
        Name -> "module:function" within the chapter's package.
    experiments : list of str
        Modules of the package that have ``EXPERIMENTS``.
    """

    name: str
    number: int
    slug: str
    title: str
    question: str
    minutes: dict[str, str]
    explorers: dict[str, str]
    experiments: list[str]

    @property
    def package(self) -> str:
        """``course_utils.chapters.<name>``."""
        return f"{__package__}.chapters.{self.name}"

    @property
    def stem(self) -> str:
        """``NN-slug``, the name of the chapter's files without their endings."""
        return f"{self.number:02d}-{self.slug}"


def read(path: Path) -> Chapter:
    """The chapter that a ``chapter.yml`` describes.

    Raises
    ------
    ValueError
        It is not valid YAML, or a key is missing or unknown; the message names the file.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    keys = set(found) if isinstance(found, dict) else set()
    if keys != KEYS:
        raise ValueError(f"{path} must have the keys {', '.join(sorted(KEYS))}; differs in {sorted(keys ^ KEYS)}")
    return Chapter(path.parent.name, **found)


@functools.cache
def catalogue(folder: Path = FOLDER) -> dict[str, Chapter]:
    """All chapters by name, in reading order.

    Raises
    ------
    ValueError
        A ``chapter.yml`` is broken, or two chapters have one number.
    """
    chapters = sorted((read(path) for path in folder.glob("*/chapter.yml")), key=lambda chapter: chapter.number)
    for first, second in zip(chapters, chapters[1:], strict=False):
        if first.number == second.number:
            raise ValueError(f"{first.name} and {second.name} both have the number {first.number}")
    return {chapter.name: chapter for chapter in chapters}
