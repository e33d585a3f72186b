"""The explorer on the front page begins where the text beside it says, and what that text says is so.

With COURSE_RECORD=1 it sits for the picture in the README.
"""

import os
import re

import book_tools  # noqa: F401  (finds the tools of the book)
import build
import pages
import pytest
from page_tools import stored

from course_utils.chapters.regularisers import explorer as regularisers
from course_utils.chapters.regularisers.explorer import method_explorer
from course_utils.metrics import psnr

RECORD = os.environ.get("COURSE_RECORD", "0") not in ("", "0")
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


@pytest.fixture(scope="module")
def text():
    return pages.explorer("regularisers", **pages.FRONT).removeprefix("````{raw} html\n").removesuffix("\n````")


def test_the_page_begins_at_that_setting(text):
    controls = {control["key"]: control for control in stored(text)["controls"]}
    for key, wanted in (method_explorer().default | pages.FRONT).items():
        found = controls[key]["values"][controls[key]["start"]]
        assert found == wanted or abs(found / wanted - 1) < 1e-6, key


def test_the_page_finds_the_three_too(text, show):
    with show(text, width=900) as page:
        page.wait_for_function("document.querySelector('.course-page').regularisers.done", timeout=60_000)
        found = float(re.search(r"PSNR ([\d.]+) dB", page.locator(".cp-live").inner_text())[1])
        start = method_explorer().default | pages.FRONT
        assert abs(found - quality(*(start[key] for key in ("method", "lam", "m", "image")))) < 0.5
        if RECORD:
            page.mouse.move(0, 0)
            page.locator(".course-page").screenshot(path=build.BOOK / "images" / "explorer.png")
