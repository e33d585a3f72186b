"""The words and tables made from the records of the four laws and of the score card say what the numbers say."""

import copy

import pytest

from course_utils.chapters.properties import laws_story, story
from course_utils.results import load_result


@pytest.fixture
def record():
    return copy.deepcopy(load_result("laws"))


def runs(record, family):
    return [r for r in record["rows"] if r["data"] == "mnist" and r["family"] == family]


def cells(record, name, law):
    head, rows = laws_story.classes(record)
    assert len(head) == 12 and all(len(row) == 12 for row in rows)
    return next(row[2:] for row in rows if row[:2] == [name, law])


def as_real(record, family, law):
    """Every training run of a family draws each digit as often as it occurs."""
    expected = runs(record, "real")[0]["classes"]
    for run in runs(record, family):
        run["laws"][law]["classes"] = list(expected)
    return expected


def test_a_digit_is_marked_if_every_run_draws_it_too_rarely(record):
    expected = as_real(record, "vae", "prior")
    assert not any(mark in cell for cell in cells(record, "VAE", "N(0, I)") for mark in "−+")
    rare = [p / 2 if k == 4 else p for k, p in enumerate(expected)]
    for number, run in enumerate(runs(record, "vae")):
        marked = ["−" in cell for cell in cells(record, "VAE", "N(0, I)")]
        assert not any(marked), f"after {number} of several runs"
        run["laws"]["prior"]["classes"] = rare
    assert ["−" in cell for cell in cells(record, "VAE", "N(0, I)")] == [k == 4 for k in range(10)]


def test_few_good_samples_mark_nothing(record):
    expected = as_real(record, "wgan", "prior")
    for run in runs(record, "wgan"):
        run["laws"]["prior"]["classes"] = [1.5 * p if k == 7 else p for k, p in enumerate(expected)]
        run["laws"]["prior"]["good"] = 0.9
    assert "+" in cells(record, "GAN", "N(0, I)")[7]
    run["laws"]["prior"]["good"] = 0.02  # forty samples
    assert "+" not in cells(record, "GAN", "N(0, I)")[7]


def test_the_words_on_shapes_follow_the_record(record):
    before = laws_story.shapes_words(record)
    for row in record["rows"]:
        if row["data"] == "shapes" and row["family"] == "vae":
            for law in row["laws"].values():
                law["good"] = 0.125
    after = laws_story.shapes_words(record).splitlines()
    assert before.splitlines()[0] == after[0] and before.splitlines()[2] == after[2]
    assert "good samples 12 to 12 per cent" in after[1]


def entry(cards, family, value, error):
    """Give one entry of a stored card another value."""
    score = next(s for s in cards[family]["card"]["scores"] if s["key"] == "A1 test")
    score["value"], score["error"] = value, error


def test_what_the_errors_cover_is_not_called_a_win():
    record = copy.deepcopy(load_result("scorecard"))
    cards = {r["family"]: r for r in record["rows"] if r["data"] == "mnist"}
    for family, value in {"ae": 0.30, "vae": 0.31, "wgan": 0.50}.items():
        entry(cards, family, value, 0.01)
    assert "MNIST: A1 test AE or VAE," in story.card_story(record)
    entry(cards, "vae", 0.31, 0.001)
    entry(cards, "ae", 0.30, 0.001)
    assert "MNIST: A1 test AE," in story.card_story(record)


def test_a_generator_that_wins_everywhere_is_named():
    record = copy.deepcopy(load_result("scorecard"))
    for row in record["rows"]:
        if row["family"] == "vae":
            for score in row["card"]["scores"]:
                score["value"] = 1e6 if score["better"] == "higher" else -1e6
    assert "Among the best everywhere: VAE." in story.card_story(record)
    assert "No generator wins everything" in story.card_story(load_result("scorecard"))
