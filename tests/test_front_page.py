"""The explorer on the front page begins where the text beside it says, and what that text says is so."""

import re

import book_tools  # noqa: F401  (finds the tools of the book)
import build
import pages
from page_tools import stored

from course_utils.chapters.regularisers import explorer as regularisers
from course_utils.chapters.regularisers.explorer import method_explorer
from course_utils.metrics import psnr

TEXT = " ".join((build.BOOK / "index.md").read_text("utf-8").split())


def quality(method: str, lam: float, m: int, image: int) -> float:
    family = "vae" if method == "hard" else ""
    found = regularisers._solve(method, lam, 0.0, family, image, m, regularisers.SIGMA)
    return float(psnr(found.x, regularisers._problem()[1][image : image + 1]))


def test_the_generator_finds_the_three_there_nothing_else_does_and_not_the_two():
    start = method_explorer().default | pages.FRONT
    assert start["generator"] == "vae" and start["sigma"] == regularisers.SIGMA
    assert "finds the three" in TEXT and start["image"] == 3
    assert f"{28 * 28} pixels from {start['m']} random numbers" in TEXT
    method, lam, m = (start[key] for key in ("method", "lam", "m"))
    three, two = (quality(method, lam, m, image) for image in (3, 2))
    rivals = [quality(rival, w, m, 3) for rival in ("tikhonov", "tv") for w in (1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0)]
    assert three > max(rivals) + 5, (three, rivals)
    assert two < three - 5, (two, three)


def test_the_page_begins_at_that_setting_and_says_it():
    text = pages.explorer("regularisers", **pages.FRONT)
    controls = {control["key"]: control for control in stored(text)["controls"]}
    for key, wanted in (method_explorer().default | pages.FRONT).items():
        found = controls[key]["values"][controls[key]["start"]]
        assert found == wanted or abs(found / wanted - 1) < 1e-6, key
    assert re.match(r"````\{raw\} html\n.*\n````$", text, re.DOTALL)
