"""The page "Syllabus": plans for 4, 8 and 12 weeks, checked against the chapters, and links for a class on a hub."""

from __future__ import annotations

from urllib.parse import quote

import pages
import yaml

from course_utils.catalogue import Chapter, catalogue
from course_utils.notebooks import GITHUB, chapters, generate

#: The folder into which nbgitpuller clones the course; the image of book/hub keeps its own copies in ``course``.
PULLED = "course-pulled"


def plans() -> list[dict]:
    """The plans of syllabus.yml.

    Raises
    ------
    ValueError
        A plan names a chapter or a section that does not exist, turns the order of the chapters round, or has not as
        many weeks as it says.
    """
    found = yaml.safe_load((pages.BOOK / "syllabus.yml").read_text(encoding="utf-8"))
    for plan in found:
        check(plan, catalogue(), pages.sections())
    return found


def check(plan: dict, known: dict[str, Chapter], sections: dict[str, dict[int, str]]) -> None:
    """One plan against the chapters ``known`` and their sections, by the chapters' numbers."""
    what = f"syllabus.yml, {plan['weeks']} weeks"
    if len(plan["plan"]) != plan["weeks"]:
        raise ValueError(f"{what}: expected {plan['weeks']} entries, got {len(plan['plan'])}")
    names = [name for week in plan["plan"] for name in week["chapters"]]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{what}: there is no chapter {', '.join(unknown)}; there are {', '.join(known)}")
    numbers = [known[name].number for name in names]
    if numbers != sorted(numbers):
        raise ValueError(f"{what}: chapters must come in their order, got {', '.join(names)}")
    for week in plan["plan"]:
        for name in week["chapters"]:
            there = sections.get(f"{known[name].number:02d}", {})
            if missing := [n for n in week.get("sections", []) if n not in there]:
                raise ValueError(f"{what}: chapter {name} has no section {missing[0]}")


def exercises(grades: list[str]) -> dict[str, list[tuple[int, int, str]]]:
    """Chapter number -> (section in which it stands, number, grade) of its exercises of these grades."""
    found = {}
    for text in chapters():
        section, rows = 0, []
        for line in pages.prose(generate(text)).splitlines():
            if heading := pages.SECTION.match(line):
                section = int(heading[1])
            if exercise := pages.EXERCISE.match(line):
                if exercise[2] in grades:
                    rows.append((section, int(exercise[1]), exercise[2]))
        found[text.stem[:2]] = rows
    return found


def _link(chapter: Chapter) -> str:
    return f"[{chapter.number:02d} {chapter.title}](notebooks/{chapter.stem}.ipynb)"


def _week(week: dict, asked: dict[str, list]) -> list[str]:
    """Chapters, what happens in class, minutes and exercises of a week."""
    found = [catalogue()[name] for name in week["chapters"]]
    first, last = week.get("sections", (0, 10**6))
    part = f", sections {first} to {last}" if "sections" in week else ""
    minutes = " + ".join(chapter.minutes["read"] for chapter in found)
    homework = []
    for chapter in found:
        number = f"{chapter.number:02d}"
        given = [n for section, n, _ in asked.get(number, []) if first <= section <= last]
        homework += [f"{number}: {', '.join(map(str, given))}"] if given else []
    return ["; ".join(map(_link, found)) + part, week["class"], minutes, "; ".join(homework)]


def tables() -> str:
    """All plans, one table each, and below each the chapters that it leaves out."""
    parts = []
    for plan in plans():
        asked = exercises(plan["exercises"])
        rows = [[str(k), *_week(week, asked)] for k, week in enumerate(plan["plan"], start=1)]
        head = [
            "week",
            "chapters",
            "in class",
            "minutes to read, whole chapters",
            f"exercises ({', '.join(plan['exercises'])})",
        ]
        named = {name for week in plan["plan"] for name in week["chapters"]}
        out = [chapter for name, chapter in catalogue().items() if name not in named]
        text = f"## {plan['weeks']} weeks\n\n{plan['for']}\n\n{pages.table(head, rows)}"
        parts.append(text + (f"\n\nNot in this plan: {', '.join(map(_link, out))}." if out else ""))
    return "\n\n".join(parts)


def pull(hub: str, stem: str) -> str:
    """The link by which nbgitpuller brings the course into a home on ``hub`` and opens the student's copy of a chapter.

    The script of the page makes the same one.
    """
    place = f"lab/tree/{PULLED}/notebooks/student/{stem}.ipynb"
    asked = {"repo": f"https://github.com/{GITHUB}", "branch": "main", "targetpath": PULLED, "urlpath": place}
    words = "&".join(f"{key}={quote(value, safe='')}" for key, value in asked.items())
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{words}"


def link() -> str:
    """The link as a text, and the chapters from which the script of the page lets one choose."""
    stems = [text.stem for text in chapters()]
    listed = " ".join(f'<li data-stem="{chapter.stem}">{chapter.number:02d} {chapter.title}</li>'
                      for chapter in catalogue().values() if chapter.stem in stems)  # fmt: skip
    return f"```text\n{pull('https://hub.example.org', stems[0])}\n```\n\n<ul hidden>{listed}</ul>"
