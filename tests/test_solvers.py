"""Solvers: they reach minima, agree with each other, and treat every problem of a batch as if it were alone."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from registry import CLASSICAL, GENERATIVE, mixture, seeded, tiny
from scipy.optimize import minimize

from course_utils import (
    L1,
    TV,
    Dictionary,
    GaussianBlur,
    GaussianMatrix,
    Hard,
    Identity,
    KullbackLeibler,
    ParallelBeam,
    Relaxed,
    Sparse,
    SparseTV,
    Tikhonov,
    load,
    measure,
    pretrained,
    reconstruct,
)
from course_utils.operators.spectrum import MatrixSpectrum
from course_utils.regularisers.objective import Objective
from course_utils.regularisers.relaxed import RelaxedObjective
from course_utils.regularisers.sparse import SparseObjective
from course_utils.solvers import gradient_descent, lbfgs, objective_of, pdhg

METHODS = [(name, solver) for name, (_, solvers) in GENERATIVE.items() for solver in solvers]
#: Steps of those that take long for one.
DEAR = {("relaxed", "alternating"): 4, ("sparse-TV", "paper"): 10, ("sparse-TV", "linearised"): 10}
every_method = pytest.mark.parametrize(("name", "solver"), METHODS, ids=["-".join(m) for m in METHODS])


@pytest.fixture(scope="module")
def problem():
    """Four images in the range of a tiny generator, measured by 60 random projections, in float64."""
    G = tiny()
    A = GaussianMatrix(60, 28, seeded()).double()
    x = G.sample(4, seeded(1))
    return A, measure(A, x, 0.01, seeded(2)), G, x


def solve(problem, name, solver, lam=0.05, mu=0.05, **settings):
    A, y, G, _ = problem
    settings = {"start": "random", "generator": seeded(3), "max_iter": 200} | settings
    return reconstruct(A, y, GENERATIVE[name][0](G, lam, mu), solver=solver, **settings)


@every_method
def test_objective_is_that_of_the_formula_and_falls(problem, name, solver):
    A, y, G, _ = problem
    lam, mu = 0.05, 0.05
    r = solve(problem, name, solver, lam, mu, trace=True, max_iter=4 * DEAR.get((name, solver), 50))
    z2, u = r.z.pow(2).sum(1), (r.x - G(r.z)).flatten(1)
    data = (A(r.x) - y).flatten(1).pow(2).sum(1)
    expected = {
        "hard": data + lam * z2,
        "relaxed": data + lam * (u.pow(2).sum(1) + mu * z2),
        "sparse": data + lam * (u.abs().sum(1) + mu * z2),
        "sparse-TV": data + lam * (TV(0.0)(u.reshape(r.x.shape)) + mu * z2),
    }[name]
    assert torch.allclose(r.objective, expected, rtol=1e-8)
    f = r.trace["f"][:, :, 0]
    falls = (f[1:] <= f[:-1] * (1 + 1e-12)) | torch.isnan(f[1:])
    assert bool(falls.all())
    assert r.trace["z"].shape == (*r.trace["f"].shape, 3)
    ends = (~torch.isnan(f)).sum(0) - 1
    assert torch.allclose(f[ends, torch.arange(4)], r.objective)


@every_method
def test_result_does_not_depend_on_batch_neighbours(problem, name, solver):
    A, y, G, _ = problem
    z0 = torch.randn(4, 3, generator=seeded(5), dtype=torch.float64)
    budget = DEAR.get((name, solver), 40)
    together = solve(problem, name, solver, start=z0, max_iter=budget)
    R = GENERATIVE[name][0](G, 0.05, 0.05)
    for i in range(4):
        alone = reconstruct(A, y[i : i + 1], R, solver=solver, start=z0[i : i + 1], max_iter=budget)
        assert torch.allclose(alone.x, together.x[i : i + 1], atol=1e-7)
        if solver != "linearised":  # at a kink of G, round-off decides how many steps are refused before it ends
            assert int(alone.iterations) == int(together.iterations[i])
    chunked = solve(problem, name, solver, start=z0, max_iter=budget, batch_size=3)
    assert torch.allclose(chunked.x, together.x, atol=1e-7)


@every_method
def test_weights_per_problem_are_a_sweep(problem, name, solver):
    A, y, G, _ = problem
    weights, budget = [0.01, 0.1, 1.0], DEAR.get((name, solver), 30)
    z0 = torch.randn(1, 3, generator=seeded(5), dtype=torch.float64)
    make = GENERATIVE[name][0]
    tensor = torch.tensor(weights, dtype=torch.float64)
    sweep = reconstruct(
        A, y[:1].repeat(3, 1), make(G, tensor, 0.1), solver=solver, start=z0.repeat(3, 1), max_iter=budget
    )
    for i, lam in enumerate(weights):
        one = reconstruct(A, y[:1], make(G, lam, 0.1), solver=solver, start=z0, max_iter=budget)
        assert torch.allclose(one.x, sweep.x[i : i + 1], atol=1e-7)


@pytest.mark.slow
def test_relaxed_solvers_reach_one_minimum(problem):
    """Algorithm 2, Algorithm 1 on the reduced problem and L-BFGS on it agree, and so does the reduced value."""
    A, y, G, _ = problem
    z0 = G.sample_latent(4, seeded(1))  # the truth: all three end in its basin
    runs = [solve(problem, "relaxed", s, start=z0, max_iter=5_000, tol=1e-14) for s in ("paper", "reduced", "lbfgs")]
    runs.insert(0, solve(problem, "relaxed", "alternating", start=z0, max_iter=1_000, tol=1e-13))
    for run in runs[:-1]:
        assert torch.allclose(run.objective, runs[-1].objective, rtol=1e-4)
        assert torch.allclose(run.x, runs[-1].x, atol=1e-3)
    R = Relaxed(G, 0.05, 0.05)
    reduced, full = objective_of(A, y, R), objective_of(A, y, R, "paper")
    assert isinstance(full, RelaxedObjective)
    x = reduced.image(z0)
    assert torch.allclose(reduced.value(z0), full.total(z0, x), rtol=1e-8)
    worse = x + 1e-3 * torch.randn(x.shape, generator=seeded(6), dtype=x.dtype)
    assert bool((full.total(z0, worse) > full.total(z0, x)).all())


SCALED = {
    "tikhonov": (lambda G, lam: Tikhonov(lam), ("direct", "cg", "lbfgs", "fista", "paper")),
    "tv": (lambda G, lam: TV(lam), ("paper",)),
    "l1": (lambda G, lam: L1(lam), ("fista",)),
    "hard": (lambda G, lam: Hard(G, lam), ("lbfgs", "paper", "projected", "lm")),
    "relaxed": (lambda G, lam: Relaxed(G, lam, 0.1), ("lbfgs", "alternating")),
    "sparse-TV": (lambda G, lam: SparseTV(G, lam, 0.1), ("linearised",)),
}


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.slow
def test_an_operator_of_another_norm_gives_the_same_image(problem, name):
    """||cA x - c y||^2 + c^2 lam R(x) has the minimiser of ||A x - y||^2 + lam R(x)."""
    A, y, G, _ = problem
    make, solvers = SCALED[name]
    z0 = G.sample_latent(4, seeded(1))
    for solver in solvers:
        budget = {"direct": {}, "linearised": {"max_iter": 100}, "alternating": {"max_iter": 40}}
        settings = budget.get(solver, {"max_iter": 400}) | ({} if solver == "direct" else {"tol": 1e-11})
        start = {"start": z0} if hasattr(make(G, 0.1), "G") else {}
        one = reconstruct(A, y, make(G, 0.05), solver, **start, **settings)
        other = reconstruct(3 * A, 3 * y, make(G, 9 * 0.05), solver, **start, **settings)
        assert torch.allclose(other.objective, 9 * one.objective, rtol=1e-3), solver
        assert torch.allclose(other.x, one.x, atol=5e-3), solver


def test_counts_are_fitted_by_the_solvers_that_take_their_data_term(problem):
    """Kullback-Leibler: solvers of one problem agree, TV ends at a minimum, others refuse."""
    _, _, G, x = problem
    A = 80 * ParallelBeam(28, 12, 41).double()
    y = torch.poisson(A(x.clamp_min(0)), generator=seeded(3))
    F, z0 = KullbackLeibler(background=0.5), G.sample_latent(4, seeded(1))
    settings = {"start": z0, "fidelity": F, "max_iter": 2_000, "tol": 1e-12}
    first, second = (reconstruct(A, y, Hard(G, 0.1), solver, **settings) for solver in ("lbfgs", "paper"))
    assert torch.allclose(first.objective, second.objective, rtol=1e-3)
    assert torch.allclose(first.objective, F(A(first.x), y) + 0.1 * first.z.pow(2).sum(1))
    same = Identity(28).double()
    counts = torch.poisson(20 * (x[:2].clamp(0, 1) + 1), generator=seeded(4))  # far from where F is infinite
    tv = reconstruct(same, counts, TV(0.5), fidelity=F, max_iter=5_000, tol=1e-9)
    assert bool(tv.converged.all())
    for step in (1e-2, -1e-2):
        other = (tv.x + step * torch.randn(tv.x.shape, generator=seeded(5), dtype=tv.x.dtype)).clamp_min(0)
        assert bool((tv.objective < objective_of(same, counts, TV(0.5), fidelity=F).value(other)).all())
    with pytest.raises(TypeError, match="'fidelity' must be SquaredError for Relaxed"):
        reconstruct(A, y, Relaxed(G, 0.1, 0.1), fidelity=F, generator=seeded())
    with pytest.raises(ValueError, match="'y' must be finite and >= 0"):
        reconstruct(A, -y - 1, TV(0.3), fidelity=F)
    with pytest.raises(ValueError, match="'solver' must be one of 'auto', 'lbfgs', 'paper', got 'lm'"):
        reconstruct(A, y, Hard(G, 0.1), "lm", fidelity=F, generator=seeded())


def test_products_with_the_hessian_are_those_of_a_quadratic_function(problem):
    A, y, _, x = problem
    objective = objective_of(A, y, Tikhonov(0.3))
    w = torch.randn(x.shape, generator=seeded(4), dtype=x.dtype)
    assert torch.allclose(objective.hvp(x, w), 2 * objective.normal(w), atol=1e-10)


@pytest.mark.parametrize("R_Z", [None, mixture()], ids=["normal", "mixture"])
def test_hard_against_scipy(problem, R_Z):
    A, y, G, _ = problem
    R, z0 = Hard(G, 0.05, R_Z), torch.randn(4, 3, generator=seeded(8), dtype=torch.float64)
    ours, objective = reconstruct(A, y, R, "lbfgs", start=z0, tol=1e-12), objective_of(A, y, R)
    for i in range(4):
        one = objective.select(torch.tensor([i]))

        def fun(z, one=one):
            f, grad = one.value_and_grad(torch.as_tensor(z)[None])
            return float(f), grad[0].numpy()

        theirs = minimize(fun, z0[i].numpy(), jac=True, method="BFGS", options={"gtol": 1e-9})
        assert float(ours.objective[i]) == pytest.approx(theirs.fun, rel=1e-4)


def test_sparse_solution_satisfies_the_optimality_condition(problem):
    """0 lies in the subdifferential of the objective with respect to u, up to the solver's tolerance."""
    A, y, G, _ = problem
    lam = 0.008
    r = solve(problem, "sparse", "paper", lam, 0.05, max_iter=600, tol=1e-12)
    assert isinstance(objective_of(A, y, GENERATIVE["sparse"][0](G, lam, 0.05)), SparseObjective)
    g = 2 * A.T(A(r.x) - y)
    zero = r.u.abs() < 1e-9
    assert bool((g[zero].abs() <= lam * (1 + 1e-3)).all())
    assert torch.allclose(g[~zero], -lam * r.u[~zero].sign(), atol=lam * 1e-2)
    assert 0.0 < float(zero.double().mean()) < 1.0


def test_algorithm_1_is_the_papers(problem):
    """Line by line against a plain loop over one problem."""
    A, y, G, _ = problem
    objective = objective_of(A, y, Hard(G, 0.05))
    z0 = torch.randn(4, 3, generator=seeded(9), dtype=torch.float64)
    batch, _ = gradient_descent(objective, z0, L0=2.0, eta0=0.5, eta1=3.0, max_iter=15, tol=0.0)
    for i in range(4):
        f = objective.select(torch.tensor([i]))
        z, L = z0[i : i + 1], 2.0
        for _ in range(15):
            value, grad = f.value_and_grad(z)
            while f.value(z - grad / L) >= value - grad.pow(2).sum() / (2 * L):
                L *= 3.0
            z, L = z - grad / L, L * 0.5
        assert torch.allclose(batch["v"][i : i + 1], z, atol=1e-9)


def test_several_starts_are_chosen_by_objective(problem):
    one = solve(problem, "hard", "lbfgs", n_starts=1)
    many = solve(problem, "hard", "lbfgs", n_starts=6, trace=True)
    last = many.trace["f"].nan_to_num(math.inf).amin((0, 2))
    assert torch.allclose(many.objective, last)
    assert float(many.objective.sum()) <= float(one.objective.sum())


def test_dictionary_takes_the_best_entry_for_every_objective(problem):
    A, y, G, _ = problem
    dictionary = Dictionary(G, seeded(4), size=64)
    for R in (Hard(G, 0.05), Relaxed(G, 0.05, 0.3), GENERATIVE["sparse"][0](G, 0.05, 0.3)):
        objective = objective_of(A, y, R)
        best = dictionary.best(objective, k=2)
        for i in range(4):
            one = objective.select(torch.tensor([i]))
            scores = one.scores(dictionary.images, dictionary.z)[0]
            assert torch.equal(best[i, 0], dictionary.z[scores.argmin()])
            if not isinstance(R, GENERATIVE["sparse"][0]):
                values = torch.cat([one.value(z[None]) for z in dictionary.z])
                assert torch.allclose(values, scores, rtol=1e-8)
    encoded = Dictionary(G, seeded(4), size=3, images=problem[3])
    known = G.encode(problem[3])
    assert all(bool((known - z).abs().amax(1).min() < 1e-12) for z in encoded.z)


@pytest.mark.parametrize("R", [Hard, Relaxed], ids=["hard", "relaxed"])
def test_a_dictionary_knows_the_operator_that_it_has_met(problem, R, monkeypatch):
    A, y, G, _ = problem
    applied = []
    forward = GaussianMatrix._forward
    monkeypatch.setattr(GaussianMatrix, "_forward", lambda self, x: applied.append(len(x)) or forward(self, x))
    monkeypatch.setattr(MatrixSpectrum, "of_image", lambda self, x: applied.append(len(x)) or x.flatten(1) @ self.V)
    used = Dictionary(G, seeded(4), size=64)

    def best(dictionary, A, y, lam):
        """Starts, and whether all images were measured for them."""
        applied.clear()
        objective = objective_of(A, y, R(G, lam) if R is Hard else R(G, lam, 0.3))
        return dictionary.best(objective, k=3), sum(applied) >= 64

    for lam, data in ((0.05, y), (5.0, y), (5.0, y.flip(0))):
        found, measured = best(used, A, data, lam)
        expected, measured_anew = best(Dictionary(G, seeded(4), size=64), A, data, lam)
        assert measured_anew and measured == (lam == 0.05) and torch.equal(found, expected)
    other = GaussianMatrix(60, 28, seeded(5)).double()
    found, measured = best(used, other, y, 0.05)
    assert measured and torch.equal(found, best(Dictionary(G, seeded(4), size=64), other, y, 0.05)[0])
    changed = copy.deepcopy(A)
    for factor, anew in ((1.0, True), (None, False), (1.5, True)):
        if factor is not None:
            next(changed.buffers()).mul_(factor)
        found, measured = best(used, changed, y, 0.05)
        assert measured == anew and torch.equal(found, best(Dictionary(G, seeded(4), size=64), changed, y, 0.05)[0])
    assert torch.equal(best(copy.deepcopy(used), A, y, 0.05)[0], best(pickle.loads(pickle.dumps(used)), A, y, 0.05)[0])


def test_encoder_start(problem):
    A, y, G, x = problem
    r = reconstruct(A, y, Hard(G, 0.0), start="encoder", x0=x, max_iter=0)
    assert torch.allclose(r.z, G.encode(x))


def test_tikhonov_and_tv():
    A = GaussianBlur(12).double()
    x = torch.zeros(3, 1, 12, 12, dtype=torch.float64)
    x[:, :, 3:8, 4:9] = 1
    y = measure(A, x, 0.05, seeded())
    direct = reconstruct(A, y, Tikhonov(0.1))
    descent = reconstruct(A, y, Tikhonov(0.1), solver="paper", tol=1e-16, max_iter=5_000)
    assert torch.allclose(direct.x, descent.x, atol=1e-5)
    normal = A.T(A(direct.x) - y) + 0.1 * direct.x
    assert float(normal.abs().max()) < 1e-6
    # TV: Identity and one image is the prox; for the blur, no neighbour is better
    lam = 0.1
    denoised = reconstruct(Identity(12).double(), y, TV(lam), tol=1e-9, max_iter=20_000)
    assert torch.allclose(denoised.x, TV(0.0).prox(y, lam / 2, tol=1e-8, max_iter=50_000), atol=1e-4)
    r = reconstruct(A, y, TV(lam), tol=1e-8, max_iter=40_000)
    objective = objective_of(A, y, TV(lam))
    assert torch.allclose(r.objective, objective.value(r.x))
    for seed in range(5):
        near = r.x + 1e-3 * torch.randn(x.shape, generator=seeded(seed), dtype=x.dtype)
        assert bool((objective.value(near) >= r.objective).all())
    assert bool(r.converged.all())


def test_tv_finds_its_ratio_of_step_sizes():
    """Noisy images want a small ratio, few and clean data a large one: no fixed ratio serves both, the default does."""
    x = torch.zeros(2, 1, 16, 16, dtype=torch.float64)
    x[:, :, 3:9, 4:12] = 1
    x0 = torch.zeros_like(x)
    problems = ((Identity(16), 0.2, 0.4), (GaussianMatrix(100, 16, seeded()), 0.01, 0.002))
    gaps = {ratio: [] for ratio in (None, 0.1, 1.0, 10.0)}
    for A, sigma, lam in problems:
        A = A.double()
        objective = objective_of(A, measure(A, x, sigma, seeded(1)), TV(lam))
        best = pdhg(objective, x0, tol=0.0, max_iter=5_000)[0]["f"]
        for ratio, found in gaps.items():
            f = pdhg(objective, x0, ratio=ratio, tol=0.0, max_iter=200)[0]["f"]
            found.append(float((f / best - 1).max()))
    ours = max(gaps.pop(None))
    assert ours < 1e-3 and min(max(found) for found in gaps.values()) > 2 * ours
    plain = pdhg(objective, x0, relaxation=1.0, tol=0.0, max_iter=200)[0]["f"]
    assert float((plain / best - 1).max()) > 2 * ours
    for relaxation in (0.0, 2.0):
        with pytest.raises(ValueError, match="'relaxation'"):
            pdhg(objective, x0, relaxation=relaxation)


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_sweep_is_a_batch(name):
    make, solvers = CLASSICAL[name]
    A = GaussianMatrix(60, 12, seeded()).double()
    y = measure(A, torch.rand(1, 1, 12, 12, generator=seeded(1), dtype=torch.float64), 0.01, seeded(2))
    lam = torch.tensor([0.01, 0.1], dtype=torch.float64)
    for solver in solvers:
        both = reconstruct(A, y.repeat(2, 1), make(lam), solver=solver)
        for i in range(2):
            one = reconstruct(A, y, make(float(lam[i])), solver=solver)
            assert torch.allclose(both.x[i : i + 1], one.x, atol=1e-9)


class _Bowl(Objective):
    """f(v) = ||v - c||^2 + 1000: the constant drowns small decreases in round-off."""

    batched = ("c",)

    def __init__(self, c):
        self.c = c

    def magnitude(self):
        return 0 * self.c[:, 0]

    def _value(self, v):
        return (v - self.c).pow(2).sum(1) + 1000


@pytest.mark.parametrize("descend", [gradient_descent, lbfgs])
def test_round_off_ends_the_line_search(descend):
    """In float32 no step can show a decrease near the minimum: the solver stops instead of backtracking on."""
    c = torch.randn(8, 5, generator=seeded())
    found, _ = descend(_Bowl(c), torch.zeros(8, 5), tol=0.0, max_iter=500)
    assert bool((found["status"] > 0).all())
    assert int(found["values"].max()) < 60
    assert float((found["v"] - c).abs().max()) < 0.1


def test_zero_gradient_is_an_end():
    c = torch.zeros(2, 3)
    for descend in (gradient_descent, lbfgs):
        found, _ = descend(_Bowl(c), c.clone())
        assert bool((found["status"] > 0).all()) and torch.equal(found["v"], c)


def test_lam_zero_and_float32(problem):
    y, A, G = problem[1].float(), GaussianMatrix(60, 28, seeded()), tiny(dtype=torch.float32)
    for R in (Hard(G, 0.0), Relaxed(G, 0.0, 0.0), Relaxed(G, 0.05, 0.0)):
        r = reconstruct(A, y, R, start="random", generator=seeded())
        assert bool(torch.isfinite(r.x).all()) and r.x.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_same_on_the_gpu(problem):
    A, y, G, _ = problem
    z0 = torch.randn(4, 3, generator=seeded(5), dtype=torch.float64)
    here = reconstruct(A, y, Hard(G, 0.05), start=z0, max_iter=20)
    A, G = GaussianMatrix(60, 28, seeded()).double().to("cuda"), tiny().to("cuda")
    there = reconstruct(A, y.to("cuda"), Hard(G, 0.05), start=z0.to("cuda"), max_iter=20)
    assert torch.allclose(here.x, there.x.cpu(), atol=1e-6)


def test_bad_input_is_named(problem):
    A, y, G, x = problem
    R, z0 = Hard(G, 0.1), torch.zeros(4, 3, dtype=y.dtype)
    bad = [
        (lambda: reconstruct(A, y[:, :5], R, generator=seeded()), "'y' must have shape"),
        (lambda: reconstruct(A, y.float(), R, generator=seeded()), "'y' must have dtype"),
        (lambda: reconstruct(A, y * math.nan, R, generator=seeded()), "'y' must be finite"),
        (lambda: reconstruct(A, y[:0], R, generator=seeded()), "'y' must hold at least one problem"),
        (lambda: reconstruct(A, y, R), "needs 'generator'"),
        (lambda: reconstruct(A, y, R, start="encoder"), "needs 'x0'"),
        (lambda: reconstruct(A, y, R, start="best"), "'start' must be one of 'dictionary', 'random', 'encoder'"),
        (lambda: reconstruct(A, y, R, start=torch.zeros(4, 5, dtype=y.dtype)), "'start' must have shape"),
        (lambda: reconstruct(A, y, R, start=Dictionary(tiny(), seeded(), 8)), "'start' is a Dictionary of another"),
        (lambda: reconstruct(A, y, R, solver="newton"), "'solver' must be one of 'auto', 'lbfgs', 'paper'"),
        (lambda: reconstruct(A, y, "tv"), "'method' must be a Regulariser or a Reconstructor, got str"),
        (lambda: reconstruct(A, y, Hard(G, torch.ones(3))), r"'lam' must be a number or have shape \(4,\)"),
        (lambda: reconstruct(A, y, R, start="encoder", x0=x[:1]), "'x0' must have shape"),
        (lambda: reconstruct(A, y, R, n_starts=0, generator=seeded()), "'n_starts' must be at least 1"),
        (lambda: reconstruct(A, y, R, start=z0, solver="paper", eta0=1.5), "'eta0' must lie in"),
        (lambda: reconstruct(A, y, Tikhonov(0.1), max_iter=3), "solver 'direct' takes no settings, got 'max_iter'"),
        (lambda: Dictionary(G, seeded(), 8).best(objective_of(A, y, R), 9), "'k' must be at most the size"),
        (lambda: Dictionary(G, seeded(), 8, images=x), "'images' must hold at least size = 8"),
    ]  # fmt: skip
    for call, message in bad:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
    small = GaussianMatrix(10, 12, seeded()).double()
    with pytest.raises(ValueError, match="'R' has a generator of images"):
        reconstruct(small, torch.zeros(1, 10, dtype=torch.float64), R, generator=seeded())
    assert np.isfinite(float(y.sum()))  # nothing was changed in place


def test_float32_round_off_does_not_trap_algorithm_3():
    """A small lambda, a small misfit: no L passes the test of line 4 in float32, and the loop still ends."""
    G, A = pretrained("ae-mnist-8", verbose=False), GaussianMatrix(150, 28, seeded())
    x = load("mnist").test[100:108]
    y = measure(A, x, 0.05, seeded(1))
    r = reconstruct(A, y, Sparse(G, 0.008, 0.3), start=G.encode(x), max_iter=150, tol=0.0)
    assert bool(torch.isfinite(r.x).all())
    assert float((r.values / r.iterations).max()) < 8
