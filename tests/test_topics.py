"""The map of chapter 00: complete, and true of the chapters and of the library."""

import functools
import re

import pages
import pytest
import yaml

from course_utils import topics

PAPER = ["1", "2", "2.1", "2.2", "2.3", "2.4", "2.5", "3", "3.1", "3.1.1", "3.1.2", "3.2", "3.3", "4", "4.1", "4.2"]
PAPER += ["4.3", *(f"4.3.{n}" for n in range(1, 7)), "5", *(f"5.{n}" for n in range(1, 6)), "6", "6.1"]
LECTURES = ["I.1", "I.2", "II.1", "II.2", "II.3"]
#: The sections of the notebooks as they are, read once.
sections = functools.cache(pages.sections)
NUMBER = r"\d+(?:\.\d+)*"


def named(text: str) -> set[str]:
    """The sections of the paper and the parts of the lectures that a text of book/sources names."""
    found = {f"lectures, part {part}" for part in re.findall(r"part (I+\.\d)", text)}
    found |= {f"paper, App. {letter}" for letter in re.findall(r"App\. ([A-Z])", text)}
    for several in re.findall(rf"Sect\. ({NUMBER}(?:(?:, | and | to ){NUMBER})*)", text):
        for first, last in re.findall(rf"({NUMBER}) to ({NUMBER})", several):
            found |= {f"paper, Sect. {n}" for n in range(int(first), int(last) + 1)}
        found |= {f"paper, Sect. {number}" for number in re.findall(NUMBER, several)}
    return found


def mapped() -> set[str]:
    """The sources of all topics."""
    return {topic.source for part in topics.read() for topic in part.topics}


def written(tmp_path, where=("04.2",), functions=("Hard",)):
    """A map of one topic, read from a file."""
    topic = {"topic": "a topic", "where": list(where), "functions": list(functions)}
    path = tmp_path / "map.yml"
    path.write_text(yaml.safe_dump([{"part": "paper, Sect. 4", "title": "A part", "topics": [topic]}]), "utf-8")
    return topics.read(path)


def test_the_sources_that_a_text_names_are_found():
    assert named("paper, Sect. 3, 3.1.2 and 3.2, eq. (7); `x2020y`, Section 9") == {
        "paper, Sect. 3", "paper, Sect. 3.1.2", "paper, Sect. 3.2"
    }  # fmt: skip
    assert named("paper, Sect. 1 to 3, Fig. 7; lectures, part II.3") == {
        "paper, Sect. 1", "paper, Sect. 2", "paper, Sect. 3", "lectures, part II.3"
    }  # fmt: skip
    assert named("paper, App. B, Fig. 16; ours") == {"paper, App. B"}


def test_every_source_of_a_section_has_a_topic():
    files = sorted((pages.BOOK / "sources").glob("*.yml"))
    texts = {path.name: " ".join(yaml.safe_load(path.read_text("utf-8")).values()) for path in files}
    assert all(named(text) for text in texts.values())
    missing = {name: sorted(named(text) - mapped()) for name, text in texts.items()}
    assert not {name: sources for name, sources in missing.items() if sources}


def test_every_section_of_the_paper_and_every_part_of_the_lectures_has_a_topic():
    wanted = {f"paper, Sect. {number}" for number in PAPER} | {"paper, App. A", "paper, App. B"}
    assert mapped() == wanted | {f"lectures, part {part}" for part in LECTURES}


def test_every_room_and_every_function_exists():
    topics.check(topics.read(), sections())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"where": ["04.99"]}, "no 04.99"),
        ({"where": ["99.1"]}, "no 99.1"),
        ({"functions": ["solvers.nobody"]}, "no course_utils.solvers.nobody"),
        ({"functions": ["nobody.at_all"]}, "no course_utils.nobody.at_all"),
    ],
)
def test_a_room_or_a_function_that_does_not_exist_is_named(wrong, message, tmp_path):
    topics.check(written(tmp_path), sections())
    with pytest.raises(ValueError, match=f"paper, Sect. 4, 'a topic': there is {message}"):
        topics.check(written(tmp_path, **wrong), sections())


@pytest.mark.parametrize(
    ("where", "message"),
    [([], "'a topic' has no room"), ([4.2], "like '04.2', got 4.2"), (["04.2 and 3"], "like '04.2'")],
)
def test_a_topic_without_a_room_is_refused(where, message, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=message):
        written(tmp_path, where)
    monkeypatch.setattr(topics, "MAP", tmp_path / "map.yml")
    with pytest.raises(ValueError, match=message):
        test_every_room_and_every_function_exists()


def test_a_key_that_nobody_reads_is_refused(tmp_path):
    topic = {"topic": "a topic", "where": ["04.2"], "functions": [], "rooms": ["04.3"]}
    (tmp_path / "map.yml").write_text(yaml.safe_dump([{"part": "paper", "title": "", "topics": [topic]}]), "utf-8")
    with pytest.raises(ValueError, match="must have the keys functions, topic, where"):
        topics.read(tmp_path / "map.yml")


def test_a_fold_is_a_table_with_links_to_the_chapters(tmp_path):
    lines = topics.folds(written(tmp_path, ["04.2", "00.5"], ["Hard", "solvers.palm"]))
    assert lines[0] == "<details><summary><b>Paper, Sect. 4:</b> A part</summary>" and lines[-1] == "</details>"
    assert "| a topic | [04.2](04-desired-properties.ipynb), 00.5 | `Hard`, `solvers.palm` |" in lines
    with pytest.raises(ValueError, match="no chapter 99"):
        topics.folds(written(tmp_path, ["99.1"]))


def test_every_row_of_the_map_has_as_many_cells_as_its_head():
    parts = topics.read()
    tables = "\n".join(topics.folds(parts)).split("<details>")[1:]
    assert len(tables) == len(parts)
    for table, part in zip(tables, parts, strict=True):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len(rows) == len(part.topics) + 2 and len({row.count("|") for row in rows}) == 1
