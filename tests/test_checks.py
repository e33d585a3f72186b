"""What all checks share: how answers are read, called, compared and explained; and that every chapter tries its own."""

import importlib
import json
import math
import sys

import numpy as np
import pytest
import torch
from chapter_tools import asked

from course_utils._budget import Metered, Overrun, limited
from course_utils.catalogue import catalogue
from course_utils.checks import Verdict, as_numbers, attempt, call, compare, examine, judge, number


def tables(name):
    return importlib.import_module(f"chapters.{name}.test_checks")


@pytest.mark.parametrize("name", [chapter.name for chapter in catalogue().values()])
def test_every_check_is_asked_right_and_wrong_answers(name):
    """Three right variants and five typical mistakes at least, each with its hint."""
    checks, tried = importlib.import_module(f"course_utils.chapters.{name}.checks"), tables(name)
    assert set(tried.RIGHT) == set(tried.WRONG) == set(tried.ASK) == set(checks.__all__)
    for check in checks.__all__:
        assert len(tried.RIGHT[check]) >= 3, check
        hints = [hint for _, hint in tried.WRONG[check]]
        assert len(hints) >= 5 and all(hints), check


@pytest.mark.parametrize("kind", [list, tuple, torch.tensor, np.array, lambda v: [torch.tensor(x) for x in v]])
def test_numbers_are_read_from_every_kind_of_array(kind):
    assert as_numbers(kind([1.5, -2.0])).tolist() == [1.5, -2.0]


def test_numbers_keep_their_digits_and_their_imaginary_part():
    assert as_numbers(0.1) == 0.1 and as_numbers([0.1, 1])[0] == 0.1
    assert as_numbers([torch.ones(2), 1j * torch.ones(2)]).dtype == torch.complex128
    assert as_numbers("x") is as_numbers([]) is as_numbers([torch.ones(1), torch.ones(2)]) is as_numbers(None) is None


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), torch.tensor(0.5, requires_grad=True), np.array([[0.5]]), [0.5]]
)
def test_one_number_is_read_from_every_kind_of_number(value):
    assert number(value, "it") == (0.5, None)


def test_compare_says_how_far_off_an_answer_is(capsys):
    expected = torch.tensor([1.0, 2.0])
    assert compare(expected, expected, "it").message == "it agrees exactly"
    assert "largest difference 9.5e-07" in compare(expected + 2**-20, expected, "it").message
    assert "differs by up to 1" in compare(expected + 1, expected, "it").message
    assert "(2, 1), expected (2,)" in compare(expected[:, None], expected, "it").message
    assert "NaN" in compare(expected / 0 - expected / 0, expected, "it").message
    assert "must be a tensor, got str" in compare("two", expected, "it").message
    assert "still empty" in compare(None, expected, "it").message
    assert "imaginary part" in compare(expected + 1j, expected, "it").message
    assert capsys.readouterr().out.count("\n") == 8  # one line each


def test_a_real_part_of_round_off_is_no_imaginary_part():
    assert asked(compare, torch.ones(3) + 1e-12j, torch.ones(3), "it")


def test_single_precision_is_right_and_a_small_mistake_is_not():
    x = torch.linspace(1, 2, 5, dtype=torch.float64)
    assert judge([(1 + 3e-6) * x.float()], [x], "it", rtol=1e-8)[0]
    assert not judge([(1 + 3e-6) * x], [x], "it", rtol=1e-8)[0]
    assert not judge([(1 + 3e-3) * x.float()], [x], "it", rtol=1e-8)[0]


@pytest.mark.parametrize("expected", [math.pi, 0.158, -2.53, 37.2, 3e-3])
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.7, 0.999, 1.4, 5.0, -1.0])
def test_no_message_holds_the_right_number(expected, factor):
    ok, message = judge([factor * expected], [expected], "it", rtol=1e-4)
    assert not ok
    for word in message.replace(",", " ").replace(";", " ").split():
        try:
            assert not judge([float(word)], [expected], "it", rtol=1e-4)[0], message
        except ValueError:
            pass


@pytest.mark.parametrize(
    ("factor", "words"), [(-1, "sign"), (0.5, "half of"), (2, "twice"), (0, "0 throughout"), (3, "3 times")]
)
def test_a_factor_is_named(factor, words):
    x = torch.linspace(1, 2, 5)
    assert words in judge([factor * x], [x], "it")[1]


@pytest.mark.parametrize("constant", [1.0, 4.0])
def test_a_constant_passes_no_check_of_several_cases(constant):
    assert not asked(examine, lambda u: constant, [(1.0,), (2.0,)], lambda u: u * u, "the square")


def test_a_further_complaint_is_made_only_of_answers_that_agree():
    several = [(1.0,), (2.0,)]
    verdicts = [
        asked(lambda f: examine(f, several, abs_of, "it", also=lambda found: "but"), f) for f in (abs, lambda u: 0)
    ]
    assert [v.message[:3] for v in verdicts] == ["but", "it "] and not any(verdicts)


def abs_of(u):
    return abs(u)


def test_a_verdict_prints_one_line_and_shows_nothing_more(capsys):
    verdict = Verdict(False, "off by 3")
    assert capsys.readouterr().out == "✗ Not yet: off by 3\n"
    assert verdict._ipython_display_() is None
    assert capsys.readouterr().out == ""
    assert not verdict


def test_attempt_passes_keyboard_interrupts_on():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)


def test_a_change_in_place_is_named_by_its_argument():
    def solution(u, weights):
        return u + weights

    _, problem = call(lambda a, b: b.add_(1), [(torch.ones(2), torch.zeros(2))], list("ab"))
    assert not problem and "argument b in place" in problem.message
    assert asked(examine, solution, [(torch.ones(2), torch.ones(2))] * 2, solution, "it")


# The budget


def test_a_loop_that_calls_nothing_ends_and_the_trace_function_is_gone():
    before = sys.gettrace()
    with pytest.raises(Overrun, match="more than 100 lines"):
        limited(endless, lines=100)
    assert sys.gettrace() is before


def endless():
    k = 0
    while True:
        k += 1


def test_lines_of_libraries_cost_nothing():
    def sorts():
        return len(json.dumps(list(range(3000)), indent=1))

    assert limited(sorts, lines=10) > 3000


def test_the_trace_function_of_a_debugger_is_left_in_place():
    def tracer(frame, event, arg):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        assert limited(sys.gettrace, lines=1) is tracer
        assert limited(lambda: sum(k for k in range(100)), lines=1) == 4950
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_calls_are_counted_and_the_reason_is_asked_for():
    f = Metered(abs, "f", 3, lambda f: f"the last two were {f.last}")
    _, problem = attempt(lambda: [f(k) for k in range(9)])
    assert not problem and "called f more than 3 times" in problem.message and "[(2,), (3,)]" in problem.message
    assert f.first == [(0,), (1,), (2,)]
