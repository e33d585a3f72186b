"""Posterior samples in chapter 09: nine tenths are nine tenths for exact draws, and the record says what is missing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.bayes import mixture_moments, mixture_posterior
from course_utils.chapters.learned import posteriors, posteriors_figures, posteriors_words
from course_utils.chapters.learned.posteriors import EXPERIMENTS, posteriors_job, rank_counts

SMALL = {"n_test": 2, "n_val": 1, "draws": 3}
TINY = {"n": 3, "n_covariance": 20, "draws": 4}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_ranks_of_exchangeable_numbers_are_level_and_nine_tenths_lie_within_nineteen():
    v = torch.randn(20, 400, 1, 10, 10, generator=seeded())
    x, truth = v[:19], v[19]
    counts = np.array(rank_counts(x, truth, torch.ones_like(truth, dtype=torch.bool)))
    assert counts.sum() == 40_000 and len(counts) == 20
    assert np.abs(counts / 2000 - 1).max() < 0.15, "level up to chance"
    inside = 1 - (counts[0] + counts[-1]) / counts.sum()
    assert inside == pytest.approx(posteriors.LEVEL, abs=0.01)


def test_edges_are_where_the_truth_changes():
    x = torch.zeros(1, 1, 12, 12)
    x[..., 6:] = 0.5
    found = posteriors.edges(x)
    assert found[0, 0, 3].tolist() == [False] * 4 + [True] * 4 + [False] * 4


def test_the_law_of_the_control_is_what_its_truths_have():
    A, x, y = posteriors.gaussian_problems(3)
    prior = posteriors.gaussian_prior()
    assert x.shape == (3, 1, posteriors.SIDE, posteriors.SIDE) and y.shape == (3, *A.shape_out)
    assert torch.equal(prior.covariances[0], prior.covariances[0].T)
    mean, C = mixture_moments(mixture_posterior(prior, A, y[:1], posteriors.SIGMA))
    assert float(C.trace()) < 0.5 * float(prior.covariances[0].trace()), "the data say something"
    draws = posteriors.exact_draws(A, y, 5, seeded())
    assert draws.shape == (5, *x.shape)


@pytest.mark.parametrize("sampler", posteriors.TESTED)
@pytest.mark.slow
def test_every_sampler_of_the_control_is_judged(monkeypatch, sampler):
    monkeypatch.setattr(posteriors, "STEPS", 20)
    out = posteriors_job("gaussian", sampler, **TINY)
    assert sum(out["ranks"]) == 3 * posteriors.SIDE**2 and len(out["ranks"]) == 5
    best = "best" in sampler
    assert bool(out["chosen"]) == best


@pytest.mark.slow
def test_a_job_on_the_scan_depends_on_its_task_alone(monkeypatch):
    make = posteriors.SAMPLERS["PnP-Flow"][0]
    monkeypatch.setitem(posteriors.SAMPLERS, "PnP-Flow", (make, {"step": (1.0,), "alpha": (0.25, 0.5)}))
    same_twice(EXPERIMENTS["posteriors"], {"on": "shapes", "sampler": "PnP-Flow"}, SMALL)


def test_spread_and_error_of_draws_that_are_right_and_of_some_that_are_too_sure():
    A, _, _ = posteriors.gaussian_problems(3)
    v = 0.3 * torch.randn(20, 50, 1, posteriors.SIDE, posteriors.SIDE, generator=seeded(), dtype=torch.float64)
    truth, x = v[19], v[:19]
    y = A(truth) + 0.1
    ratios = [posteriors_words.ratio(posteriors._judged(part * x, truth, A, y)) for part in (1.0, 0.5)]
    assert ratios[0] == pytest.approx(1, abs=0.05) and ratios[1] > 1.7


@pytest.mark.slow
def test_the_stored_record():
    experiment = EXPERIMENTS["posteriors"]
    record = shown("posteriors", experiment)
    one_row_a_task(experiment, record)
    for draw in experiment.more_figures.values():
        figure = draw(record)
        assert len(figure.alt) > 40
        plt.close(figure)
    for table in (posteriors_words.shapes_table, posteriors_words.control_table):
        head, rows = table(record)
        assert all(len(row) == len(head) for row in rows)
    assert len(posteriors_figures.on(record, "gaussian")) == len(posteriors.TESTED)


@pytest.mark.slow
def test_the_exact_walk_is_calibrated_on_the_record_and_the_samplers_are_not():
    record = shown("posteriors", EXPERIMENTS["posteriors"])
    exact = posteriors_words.row_of(record, "gaussian", "exact walk")
    assert exact["calibrated"] and abs(exact["coverage"] - posteriors.LEVEL) <= 3 * exact["coverage_error"]
    others = [row for row in posteriors_figures.on(record, "gaussian") if row["sampler"] != "exact walk"]
    assert not any(row["calibrated"] for row in others)
