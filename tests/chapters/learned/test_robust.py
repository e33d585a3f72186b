"""The section on attacks: searches that never fall, stand-ins with a derivative, claims judged as their numbers say."""

import numpy as np
import pytest
import torch

from course_utils.chapters.learned import hallucinations, robust, robust_claims, robust_digits, robust_figures, scans
from course_utils.operators import GaussianBlur
from course_utils.regularisers import Tikhonov
from course_utils.reproduce import load_result
from course_utils.reproduce.setting import seeded
from course_utils.solvers import PnPForwardBackward, reconstruct

SEARCH = {"n_starts": 1, "steps": 4, "draws": 3}


@pytest.fixture
def plug_and_play():
    """A problem and a method without a derivative, whose limit is that of Tikhonov."""
    A, R = GaussianBlur(8), Tikhonov(0.1)
    y = A(torch.rand(2, 1, 8, 8, generator=seeded(0)))
    return A, y, PnPForwardBackward(lambda x, sigma: R.prox(x, 0.05), sigma=0.1, tol=1e-5), Tikhonov(0.1)


def test_steps_are_those_of_the_method_and_have_a_derivative(plug_and_play):
    A, y, method, _ = plug_and_play
    found = method.run(y, A)
    n = int(found["iterations"].max())
    e = y.clone().requires_grad_()
    x = robust.Steps(method, n)(e, A)
    assert torch.allclose(x, found["x"], atol=1e-4)
    (slope,) = torch.autograd.grad(x.sum(), e)
    assert slope.abs().max() > 0.1


@pytest.mark.slow
def test_a_method_without_a_derivative_is_attacked_as_one_that_has_it(plug_and_play):
    A, y, method, same = plug_and_play
    words, found = robust.swept(A, y, "pnp", method, [0.1, 0.3], {}, **SEARCH)
    assert words.startswith("through")
    _, known = robust.swept(A, y, "tikhonov", same, [0.1, 0.3], {}, **SEARCH)
    for one, other in zip(found, known, strict=True):
        assert torch.allclose(one.effect, other.effect, rtol=0.02)
        assert (one.value >= one.random_max).all()
    assert (found[1].value >= found[0].value).all()
    assert torch.allclose(reconstruct(A, y, method).x, reconstruct(A, y, same).x, atol=1e-3)


@pytest.mark.slow
def test_a_stand_in_that_finds_less_does_not_let_the_value_fall(plug_and_play, monkeypatch):
    A, y, method, same = plug_and_play
    near = iter([same, Tikhonov(1e6)])

    def useless(A, y, name, made):
        return "through nothing", next(near)

    monkeypatch.setattr(robust, "_stand_in", useless)
    _, good = robust.swept(A, y, "pnp", method, [0.3], {}, **SEARCH)
    real = robust.sweep_budgets

    def second_is_lost(*arguments, **settings):
        found = real(*arguments[:2], same, *arguments[3:], **settings)
        return [found[0], type(found[1])(**vars(found[1]) | {"e": torch.zeros_like(found[1].e)})]

    monkeypatch.setattr(robust, "sweep_budgets", second_is_lost)
    _, found = robust.swept(A, y, "pnp", method, [0.3, 0.31], {}, **SEARCH)
    assert (found[1].value >= found[0].value * (1 - 1e-6)).all()
    assert torch.allclose(found[0].value, good[0].value, rtol=0.05)


@pytest.mark.slow
def test_a_row_of_the_record_compares_with_chance_and_never_falls():
    row = robust.robust_job("fbp", 1, 4, 2, sizes=(0.1, 0.3), n_val=2)
    for cell in row["at"].values():
        assert np.all(np.array(cell["effect"]) >= np.array(cell["random_max"]) - 1e-4)
        assert np.all(np.array(cell["clamped"]) <= np.array(cell["effect"]) + 1e-4)
    grows = [float(size) * np.array(cell["effect"]) for size, cell in row["at"].items()]
    assert np.all(grows[1] >= grows[0]) and "example" in row
    assert np.mean(row["at"]["0.3"]["psnr_after"]) < np.mean(row["at"]["0.3"]["psnr_random"])


@pytest.mark.slow
def test_the_table_of_transfer_has_the_own_method_on_its_diagonal():
    found = robust.transfer_job(0.1, 1, ("fbp", "proximal"), n_val=2)
    table = np.array(found["effect"])[..., 0]
    assert found["sources"] == ["fbp", "proximal", robust.RANDOM] and found["targets"] == ["fbp", "proximal"]
    assert table[0, 0] >= table[1:, 0].max() and table[1, 1] >= table[2, 1]


def test_spots_are_removed_and_nothing_else():
    problem = scans.place("bright spot", n_val=1, n_test=3)
    plain = hallucinations.without_spots(problem)
    assert torch.equal(plain[~problem.lesions], problem.x[~problem.lesions])
    assert (problem.x - plain)[problem.lesions].min() > 0.3


@pytest.mark.slow
def test_a_search_for_spots_finds_more_than_chance_and_fbp_shows_what_is_in_the_data():
    row = hallucinations.hallucinations_job("fbp", 1, 6, 2, n_val=2)
    rises = []
    for here in row["at"].values():
        assert np.all(np.array(here["invented"]) >= np.array(here["invented_random"]))
        assert np.all(np.array(here["left"]) <= np.array(here["left_random"]))
        rises.append(np.array(here["as_a_spot"]) - np.array(here["invented_before"]))
    # FBP is linear: what the spot's own data raise is in proportion to their size
    assert np.allclose(rises[1], 3 * rises[0], atol=0.01) and np.all(rises[0] > 0.1)
    erased = row["erased"]
    assert np.all(np.array(erased["ratio"]) <= np.array(erased["random"]))


@pytest.mark.slow
def test_digits_worst_errors_are_worse_than_drawn_ones():
    row = robust_digits.robust_digits_job("lista", 1, 4, levels=(0.25, 0.5), images=2, n_val=2)
    worst = [np.array(cell["worst"]) for cell in row["at"].values()]
    assert np.all(worst[1] >= worst[0])
    for cell in row["at"].values():
        assert np.all(np.array(cell["worst"]) > np.array(cell["drawn_most"]))


def test_weights_for_a_level_are_tuned_with_its_noise():
    problem = robust_digits.digit_place("home", n_val=3)
    louder = robust_digits._with_noise(problem, 2.0)
    clean = problem.A(problem.x_val)
    assert torch.allclose(louder.y_val - clean, 2 * (problem.y_val - clean), atol=1e-5)


def toy_record(gains):
    """name -> gain at each of two sizes, for two images."""
    rows = [
        {
            "rival": name, "label": name, "family": "end to end",
            "at": {
                size: {"effect": [gain, gain * 1.01], "random_max": [0.4, 0.4], "psnr_after": [20.0, 20.0]}
                for size, gain in zip(("0.1", "1"), values, strict=True)
            },
        }
        for name, values in gains.items()
    ]  # fmt: skip
    return {"rows": rows, "settings": {"draws": 2}}


@pytest.mark.parametrize(
    ("network", "tv", "verdict"),
    [
        ((6, 3), (4, 2), "agrees"),
        ((6, 3), (4, 5), "depends"),
        ((3, 3), (4, 5), "does not"),
        ((4, 6), (4.02, 5), "depends"),
    ],
)
def test_a_claim_is_judged_by_all_sizes_and_images(network, tv, verdict):
    record = toy_record(dict.fromkeys(robust_claims.NETWORKS, network) | {"tv": tv})
    claim = robust_claims._less_stable(record, "tv", "a control")
    assert claim.verdict == verdict and claim.control == "a control"


def test_the_control_is_not_among_the_methods():
    rows = [{"rival": "tv", "at": {}}, {"rival": "tv", "at": {}, "sizes": [0.1]}]
    record = {"rows": rows}
    assert robust_figures.by_method(record)["tv"] is rows[0] and robust_figures.control(record)["tv"] is rows[1]


def test_stored_attacks_never_fall_and_beat_chance():
    for row in load_result("robust")["rows"]:
        sizes = np.array([float(size) for size in row["at"]])
        effect = np.array([cell["effect"] for cell in row["at"].values()]) * sizes[:, None]
        chance = np.array([cell["random_max"] for cell in row["at"].values()]) * sizes[:, None]
        assert np.all(np.diff(effect, axis=0) >= -1e-3 * effect[:-1]), row["rival"]
        assert np.all(effect >= chance * (1 - 1e-3)), row["rival"]
