"""What the explorers of chapter 02 show is what the library computes."""

from itertools import islice

import numpy as np
import pytest
import torch

from course_utils import TV
from course_utils.chapters.classical import explorer as weights
from course_utils.chapters.classical import iterations
from course_utils.explore.page import control_values
from course_utils.metrics import psnr
from course_utils.reconstructors import CGLS, MLEM, Landweber
from course_utils.solvers import reconstruct

SIGMAS = control_values(iterations.iterations_explorer().controls["sigma"])


@pytest.fixture(scope="module")
def drawn():
    """Draws the explorer of the weights, made once."""
    return weights.weights_explorer().draw


@pytest.mark.parametrize("method", weights.METHODS)
def test_the_marks_are_where_they_say(drawn, method):
    """Morozov's meets the level, the best is best, and the curves pass through the image that is shown."""
    A, truth, y = weights.problem()
    found, lam = weights.path(method), 10**-1.0
    figure = drawn(method=method, lam=lam)
    residual, quality = figure.axes[4:6]
    marks = {  # marker -> (lambda, squared residual over m sigma^2, PSNR)
        a.get_marker(): (*a.get_xydata()[0], b.get_xydata()[0, 1])
        for a, b in zip(residual.lines, quality.lines, strict=False)
        if a.get_marker() in "oD*" and len(a.get_xydata()) == 1
    }
    assert set(marks) == {"o", "D", "*"}
    assert bool(found.morozov.solved) and bool(found.solutions.converged.all())
    again = reconstruct(A, y, weights.METHODS[method].make(found.morozov.lam), **weights.METHODS[method].settings).x
    fit = float((A(again) - y).pow(2).sum()) / (A.m * weights.SIGMA**2)
    assert marks["D"] == pytest.approx((float(found.morozov.lam), 1.0, float(psnr(again, truth))), rel=2e-3)
    assert fit == pytest.approx(1.0, abs=2e-3)
    curve = quality.lines[0].get_xydata()
    assert marks["*"][2] == pytest.approx(curve[:, 1].max(), abs=1e-6)
    assert marks["*"][2] >= marks["D"][2] - 0.02  # no rule that does not know the truth is better
    x = torch.tensor(np.asarray(figure.axes[2].images[0].get_array()))[None, None].to(truth)
    assert marks["o"] == pytest.approx(
        (lam, float((A(x) - y).pow(2).mean()) / weights.SIGMA**2, float(psnr(x, truth))), rel=1e-4
    )
    k = int(np.abs(np.log(curve[:, 0] / lam)).argmin())
    assert curve[k] == pytest.approx((lam, marks["o"][2]), rel=1e-4)
    assert (np.diff(residual.lines[0].get_ydata()) > 0).all()  # as a convex R wants it


def test_an_answer_that_did_not_converge_is_not_shown_as_converged(drawn, monkeypatch):
    hasty = weights.Method("TV", TV, {"max_iter": 40})
    monkeypatch.setitem(weights.METHODS, "hasty", hasty)
    titles = [drawn(method=method, lam=10**-2.5).axes[2].get_title() for method in ("hasty", "tv")]
    assert titles[0].endswith("not converged") and not titles[1].endswith("not converged")


def test_looser_tolerances_cost_little():
    """What the comment at TGV says, where the weights are those that matter."""
    A, truth, y = weights.problem()
    lam = weights.path("tgv").morozov.lam
    exact = reconstruct(A, y, weights.TGV(lam), tol=1e-7, max_iter=20_000)
    shown = reconstruct(A, y, weights.TGV(lam), **weights.METHODS["tgv"].settings)
    assert bool(exact.converged) and float(shown.objective / exact.objective) - 1 < 2e-3
    assert abs(float(psnr(shown.x, truth) - psnr(exact.x, truth))) < 0.02


@pytest.mark.parametrize("sigma", [SIGMAS[0], SIGMAS[3], SIGMAS[-1]])
@pytest.mark.parametrize("method", iterations.METHODS.values())
def test_the_way_is_that_of_the_library(method, sigma):
    A, truth = iterations.problem()
    y, s = iterations.measured(sigma, method == "mlem")
    level = A.m / 2 if method == "mlem" else A.m * sigma**2
    kind = {"cgls": CGLS, "mlem": MLEM}.get(method, Landweber)
    own = {"accelerated": True} if method == "nesterov" else {}
    found = iterations.run(method, sigma)
    stopped = reconstruct(A, y, kind(300, level=level, **own))
    assert bool(stopped.converged) and int(stopped.iterations) == found.stop
    ended = reconstruct(A, y, kind(40, **own)).x / s
    torch.testing.assert_close(torch.tensor(found.images[40]).to(ended), ended[0, 0])
    assert found.best == int(np.argmin(found.error)) and len(found.error) == 301
    assert found.error[40] == pytest.approx(float((ended - truth).norm() / truth.norm()), rel=1e-5)
    assert 0 < found.best < 300 and found.error[-1] > found.error[found.best]  # semi-convergence


@pytest.mark.parametrize("sigma", SIGMAS)
def test_faster_methods_semi_converge_sooner_and_more_noise_sooner(sigma):
    best = {method: iterations.run(method, sigma).best for method in iterations.METHODS.values()}
    assert best["cgls"] < best["nesterov"] < best["landweber"]
    least = iterations.run("landweber", SIGMAS[0])
    assert sigma == SIGMAS[0] or iterations.run("landweber", sigma).best < least.best


@pytest.mark.parametrize("sigma", SIGMAS)
def test_counts_are_counts_and_as_noisy_as_they_are_said_to_be(sigma):
    A, truth = iterations.problem()
    y, s = iterations.measured(sigma, True)
    assert torch.equal(y, y.round()) and 0 <= float(y.min()) and float(y.max()) < 2**16  # as the page stores them
    spread = (y / s - A(truth)).pow(2).mean().sqrt()
    assert float(spread) == pytest.approx(sigma, rel=0.1)
    assert iterations.measured(sigma, False)[1] == 1.0


def test_the_picture_shows_the_iterate_and_its_marks():
    figure = iterations.iterations_explorer().draw(method="cgls", k=3, sigma=SIGMAS[2])
    found, ax = iterations.run("cgls", SIGMAS[2]), figure.axes[3]
    places = [line.get_xydata()[0] for line in ax.lines if len(line.get_xydata()) == 1]
    wanted = [(k, found.error[k]) for k in (3, found.best, found.stop)]
    np.testing.assert_allclose(places, wanted)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), found.images[3])
    A, _ = iterations.problem()
    y, _ = iterations.measured(SIGMAS[2], False)
    x = next(islice(CGLS().iterates(y, A), 3, None))[0]
    np.testing.assert_array_equal(found.images[3], x[0, 0])


def test_a_stop_at_the_start_has_no_mark():
    """k = 0 is not on a logarithmic axis."""
    drawing = iterations._Drawing()
    way = iterations.run("cgls", SIGMAS[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iterations, "run", lambda *_: iterations.Run(way.error, way.images, way.best, 0))
        figure = drawing("cgls", 3, SIGMAS[2])
        assert "stops at k = 0" in figure.texts[0].get_text()
        patch.setattr(iterations, "run", lambda *_: iterations.Run(way.error, way.images, way.best, None))
        assert "does not stop" in drawing("cgls", 3, SIGMAS[2]).texts[0].get_text()
    assert [len(line.get_xydata()) for line in figure.axes[3].lines[-3:]] == [1, 1, 0]
