"""Plug-and-play in chapter 09: runs are followed as solvers go, ends are told apart, theorems hold on the record."""

import matplotlib.pyplot as plt
import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils import GaussianBlur, psnr, reconstruct
from course_utils.chapters.learned import denoising, denoising_words
from course_utils.chapters.learned.denoising import EXPERIMENTS, follow, how_it_ends
from course_utils.solvers import RED, PnPADMM, PnPForwardBackward, PnPHalfQuadratic

SMALL = {"n_test": 1, "n_iter": 200, "n_power": 4}


def problem(n=3):
    A = GaussianBlur(8)
    x = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return A, A(x) + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)), x


def half(x, sigma):
    return x / 2


@pytest.mark.parametrize(
    "method",
    [
        PnPForwardBackward(half, 0.1, max_iter=15, tol=1e-12),
        PnPHalfQuadratic(half, 0.1, torch.tensor([1.0, 2.0, 4.0]), max_iter=15, tol=1e-12),
        PnPADMM(half, 0.1, max_iter=15, tol=1e-12),
        RED(half, 0.1, 0.2, max_iter=15, tol=1e-12),
    ],
    ids=lambda method: type(method).__name__,
)
def test_a_run_is_followed_as_the_solver_goes(method):
    A, y, x = problem()
    way, found = follow(method, A, y, x, 15, keep=(0, 15)), reconstruct(A, y, method)
    assert found.iterations.tolist() == [15] * 3
    assert torch.equal(way.images[15], found.x) and torch.equal(way.images[0], A.T(y))
    assert torch.allclose(way.psnr[-1], psnr(found.x, x))
    assert torch.allclose(way.misfit[-1], (A(found.x) - y).flatten(1).square().sum(1))


def test_steps_are_those_of_the_variable_that_is_iterated():
    A, y, x = problem()
    first, second = (follow(PnPForwardBackward(half, 0.1), A, y, x, n, keep=(n,)).images[n] for n in (4, 5))
    way = follow(PnPForwardBackward(half, 0.1), A, y, x, 5)
    assert torch.allclose(way.step[-1], (second - first).flatten(1).norm(dim=1), rtol=1e-3)
    assert torch.allclose(way.length[-1], second.flatten(1).norm(dim=1))


def test_ends_are_told_apart():
    """x <- c x + d has steps that shrink by c; a shift goes on, and what doubles is given up."""
    A, y, x = problem(1)
    kinds = {
        "settles": lambda v, s: 0.5 * v + 0.1, "falls": lambda v, s: 0.99 * v + 0.1,
        "moves": lambda v, s: 1 - v, "leaves": lambda v, s: 2 * v,
    }  # fmt: skip
    for kind, D in kinds.items():
        way = follow(PnPForwardBackward(D, 0.1, step=1e-6), A, y, x, 200)
        assert how_it_ends(way.step, way.length) == [kind]
    assert torch.isnan(way.psnr[-1]).all() and torch.isfinite(way.psnr[0]).all()


def test_one_run_that_leaves_does_not_change_the_others():
    A, y, x = problem(2)

    def D(v, sigma):
        return v * torch.where(sigma > 0.5, 3.0, 0.5).reshape(-1, 1, 1, 1)

    both = follow(PnPForwardBackward(D, torch.tensor([0.1, 1.0])), A, y, x, 40)
    alone = follow(PnPForwardBackward(D, torch.tensor([0.1])), A, y[:1], x[:1], 40)
    assert torch.allclose(both.psnr[:, :1], alone.psnr) and torch.isnan(both.psnr[-1, 1])


def test_half_quadratic_splitting_and_the_fixed_point_iteration_of_red_are_one():
    """Read out before and after the denoiser: z = D(x)."""
    A, y, _ = problem()

    def D(v, sigma):
        return 0.9 * torch.tanh(v)

    x = reconstruct(A, y, RED(D, 0.1, 0.5, scheme="fixed point", tol=1e-8)).x
    z = reconstruct(A, y, PnPHalfQuadratic(D, 0.1, step=2 / 0.5, tol=1e-8)).x
    assert torch.allclose(z, D(x, 0.1), atol=1e-5)


def test_a_job_says_what_it_found():
    out = denoising.denoising_job("1-Lipschitz", "forward-backward", 0.1, **SMALL)
    assert [run["weight"] for run in out["runs"]] == [0.5, 1.0, 1.9]
    for run in out["runs"]:
        assert run["growth"][0] <= 1 + denoising_words.ROUND_OFF, "a nonexpansive map lengthens no step"
        assert run["best"][0] >= run["last"][0] and 1 <= run["best_at"][0] <= 200
        assert (run["fires"][0] is None) == (run["fires_at"][0] is None)
    assert [look["iteration"] for look in out["jacobian"]] == [0, 10, 200]
    assert max(value for look in out["jacobian"] for value in look["lipschitz"]) <= 1
    assert "jacobian" not in denoising.denoising_job("1-Lipschitz", "RED", 0.1, **SMALL)


@pytest.mark.slow
def test_a_job_depends_on_its_task_alone():
    same_twice(EXPERIMENTS["denoising"], {"denoiser": "residual", "scheme": "forward-backward", "sigma": 0.1}, SMALL)


# The record


def invented(free=("settles", "moves"), grown=1.3, kept_grown=0.99):
    """Two images with one weight: the residual denoiser does what is said, the others settle."""

    def run(ends, growth):
        return {
            "weight": 1.0, "ends": list(ends), "growth": [growth] * 2, "last": [20.0, 22.0], "best": [21.0, 22.0],
            "fires": [20.5, None], "fires_at": [3, None], "best_at": [5, 9], "misfit": [1.1, 0.9], "step": [0.1, 1e-5],
            "psnr": [18.0, 21.0], "last_step": [1e-5, 1e-5],
        }  # fmt: skip

    settled = ("settles", "settles")
    runs = {"residual": run(free, grown), "1-Lipschitz": run(settled, kept_grown), "gradient-step": run(settled, 1.0)}
    look = {"iteration": 0, "lipschitz": [1.2, 0.9], "rest": [1.0, 1.0], "asymmetry": [0.5, 0.4]}
    rows = [
        {"denoiser": D, "scheme": "forward-backward", "sigma": 0.1, "runs": [found], "jacobian": [look]}
        for D, found in runs.items()
    ]
    return {"rows": rows, "settings": {"stored": [1, 2], "settled": 1e-4, "iterations": 200}}


def test_the_verdict_on_convergence_claim_follows_the_record():
    verdict = {
        "agrees in part": invented(), "does not agree": invented(("settles", "falls")),
        "agrees": invented(kept_grown=1.1),
    }  # fmt: skip
    for expected, record in verdict.items():
        row = denoising_words.convergence_claim(record)
        assert row["verdict"] == expected
    assert "50 % of the runs of the residual" in row["ours"] and "no step is longer" not in row["control"]
    assert "no step is longer" in denoising_words.convergence_claim(invented())["control"]


def test_what_stopping_costs():
    found = denoising_words.stopping(invented(), denoiser="residual")
    assert found == {"last": 0.5, "worst last": 1.0, "fires": 0.5, "rule": 0.5, "last there": 1.0}
    best = denoising_words.best_setting(invented(), "residual")
    assert best["psnr"] == 21.0 and denoising_words.best_setting(invented(), "residual", settled=True)["psnr"] < 0


def test_tables_of_the_record():
    head, rows = denoising_words.ends_table(invented())
    assert len(head) == len(rows[0]) and rows[0][2:] == ["50 %", "0 %", "50 %", "0 %", "1.3"]
    head, rows = denoising_words.jacobians(invented())
    assert rows[0] == ["residual", "0.9 to 1.2", "1 to 1", "0.4 to 0.5"]


@pytest.mark.slow
def test_the_stored_record():
    experiment = EXPERIMENTS["denoising"]
    record = shown("denoising", experiment)
    one_row_a_task(experiment, record)
    for draw in experiment.more_figures.values():
        figure = draw(record)
        assert len(figure.alt) > 40
        plt.close(figure)


@pytest.mark.slow
def test_what_is_proved_holds_on_the_record():
    """A firmly nonexpansive denoiser: no step is longer than the one before, in any scheme; and J is symmetric where
    the denoiser is a gradient step."""
    record = shown("denoising", EXPERIMENTS["denoising"])
    assert denoising_words.growth(record, denoiser="1-Lipschitz") <= 1 + denoising_words.ROUND_OFF
    looks = {D: [] for D in denoising.DENOISERS}
    for row in record["rows"]:
        looks[row["denoiser"]] += row.get("jacobian", [])
    assert all(value <= 1 for look in looks["1-Lipschitz"] for value in look["lipschitz"])
    assert all(value < 1e-4 for look in looks["gradient-step"] for value in look["asymmetry"])
