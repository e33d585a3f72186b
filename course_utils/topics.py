"""The map of chapter 00: where the course teaches what the paper's sections and the lectures' slides contain.

It stands in ``book/map.yml`` of the repository, which a wheel has not; only who makes the notebooks reads it.
``course_utils.notebooks`` writes the folds into chapter 00, so that a reader needs neither the file nor this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path

import yaml

from ._files import REPOSITORY
from .catalogue import catalogue

__all__ = ["MAP", "Part", "Topic", "check", "folds", "read"]

MAP = REPOSITORY / "book" / "map.yml"
#: A room: "04.2" is section 2 of chapter 04.
ROOM = re.compile(r"(\d\d)\.([1-9]\d*)")
KEYS = {"topic", "where", "functions"}


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes
    ----------
    topic : str
        In words, Markdown.
    source : str
        "paper, Sect. 5.2", "paper, App. A" or "lectures, part II.1".
    where : tuple of str
        Rooms of the course, "05.8", the most thorough one first.
    functions : tuple of str
        Names in ``course_utils``, "Hard" or "solvers.palm"; there may be none.
    """

    topic: str
    source: str
    where: tuple[str, ...]
    functions: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A part of the paper or of the lectures: one fold of the map."""

    source: str
    title: str
    topics: tuple[Topic, ...]


def _topic(entry: dict, part: str) -> Topic:
    if not isinstance(entry, dict) or set(entry) - {"source"} != KEYS:
        raise ValueError(f"a topic of {part!r} must have the keys {', '.join(sorted(KEYS))}, got {entry!r}")
    if not entry["where"]:
        raise ValueError(f"topic {entry['topic']!r} has no room in the course")
    for room in entry["where"]:
        if not (isinstance(room, str) and ROOM.fullmatch(room)):
            raise ValueError(f"topic {entry['topic']!r}: a room is a text like '04.2', got {room!r}")
    source = entry.get("source", part)
    return Topic(entry["topic"], source, tuple(entry["where"]), tuple(entry["functions"]))


def read(path: Path | None = None) -> list[Part]:
    """The map, part by part.

    Parameters
    ----------
    path : Path, optional
        Default: ``MAP``.

    Raises
    ------
    FileNotFoundError
        There is no such file; the package was installed without its repository.
    ValueError
        A key of a topic is missing or unknown, a topic has no room, or a room is not written like one.
    """
    entries = yaml.safe_load((path or MAP).read_text(encoding="utf-8"))
    return [
        Part(entry["part"], entry["title"], tuple(_topic(topic, entry["part"]) for topic in entry["topics"]))
        for entry in entries
    ]


def _there(name: str) -> bool:
    """Whether ``course_utils`` has this dotted name; a module on the way is imported."""

    def step(found, word):
        return getattr(found, word) if hasattr(found, word) else import_module(f"{found.__name__}.{word}")

    try:
        reduce(step, name.split("."), import_module(__package__))
    except (AttributeError, ImportError):
        return False
    return True


def check(parts: Iterable[Part], sections: Mapping[str, Mapping[int, str]]) -> None:
    """The map against the chapters and the library.

    Parameters
    ----------
    parts : iterable of Part
    sections : mapping
        Chapter number ("04") -> section number -> title, of the notebooks as they are.

    Raises
    ------
    ValueError
        A room or a function does not exist; the message lists all of them.
    """
    wrong = []
    for topic in (topic for part in parts for topic in part.topics):
        rooms = [(room[:2], room[3:]) for room in topic.where]
        missing = [f"{chapter}.{n}" for chapter, n in rooms if int(n) not in sections.get(chapter, {})]
        missing += [f"course_utils.{name}" for name in topic.functions if not _there(name)]
        wrong += [f"{topic.source}, {topic.topic!r}: there is no {name}" for name in missing]
    if wrong:
        raise ValueError("the map names what is not there:\n" + "\n".join(wrong))


def _link(room: str, stems: Mapping[str, str]) -> str:
    """A room, with a link to its chapter; chapter 00, where the map stands, needs none."""
    chapter = room[:2]
    if chapter not in stems:
        raise ValueError(f"the map names the room {room}, but there is no chapter {chapter}")
    return room if chapter == "00" else f"[{room}]({stems[chapter]}.ipynb)"


def folds(parts: Iterable[Part]) -> list[str]:
    """The lines of the map, Markdown: one folded table a part.

    Raises
    ------
    ValueError
        A room lies in a chapter that does not exist.
    """
    stems = {f"{chapter.number:02d}": chapter.stem for chapter in catalogue().values()}
    lines: list[str] = []
    for part in parts:
        whole, _, place = part.source.partition(", ")
        divided = any(topic.source != part.source for topic in part.topics)
        head = [*([place.split()[0]] if divided else []), "topic", "room", "`course_utils`"]
        rows = [head, ["---"] * len(head)]
        for topic in part.topics:
            number = [topic.source.split()[-1]] if divided else []
            rooms = ", ".join(_link(room, stems) for room in topic.where)
            rows.append([*number, topic.topic, rooms, ", ".join(f"`{name}`" for name in topic.functions)])
        if lines:
            lines.append("")
        lines += [f"<details><summary><b>{whole.capitalize()}, {place}:</b> {part.title}</summary>", ""]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), "", "</details>"]
    return lines
