"""Proximal operators against brute force, gradients against autograd, TV against its definition."""

import math

import numpy as np
import pytest
import torch
from registry import PROXIMABLE, seeded, tiny
from scipy.optimize import minimize

from course_utils import L1, TV, Dictionary, Hard, Relaxed, Sparse, SparseTV, Tikhonov
from course_utils.regularisers import Intermediate, divergence, gradient


@pytest.mark.parametrize("name", PROXIMABLE)
@pytest.mark.parametrize("tau", [0.05, 0.7])
def test_prox_against_brute_force(name, tau):
    R = PROXIMABLE[name]
    x = torch.randn(1, 1, 3, 3, generator=seeded(), dtype=torch.float64)

    def problem(v):
        v = torch.as_tensor(v).reshape(1, 1, 3, 3)
        return float(R(v)) + float((v - x).pow(2).sum()) / (2 * tau)

    found = R.prox(x, tau)
    options = {"maxiter": 40_000, "maxfev": 40_000, "xatol": 1e-10, "fatol": 1e-14, "adaptive": True}
    by_force = minimize(problem, found.flatten().numpy() + 0.01, method="Nelder-Mead", options=options)
    assert problem(found) <= by_force.fun * (1 + 2e-6)
    assert np.abs(by_force.x - found.flatten().numpy()).max() < 5e-3


@pytest.mark.parametrize("name", PROXIMABLE)
def test_prox_of_a_batch_is_that_of_each(name):
    R = PROXIMABLE[name]
    x = torch.randn(4, 1, 6, 6, generator=seeded(), dtype=torch.float64)
    one_by_one = torch.cat([R.prox(part, 0.3) for part in x.split(1)])
    assert torch.allclose(R.prox(x, 0.3), one_by_one, atol=1e-4)
    assert torch.equal(R.prox(x, 0.0), x)
    with pytest.raises(ValueError, match="'tau' must be finite and >= 0"):
        R.prox(x, -1.0)


def test_tikhonov_gradient():
    x = torch.randn(3, 1, 4, 4, generator=seeded(), dtype=torch.float64).requires_grad_()
    (grad,) = torch.autograd.grad(Tikhonov(0.0)(x).sum(), x)
    assert torch.allclose(grad, Tikhonov(0.0).grad(x.detach()))


def test_divergence_is_minus_the_adjoint_of_the_gradient():
    x = torch.randn(2, 1, 7, 5, generator=seeded(), dtype=torch.float64)
    q = torch.randn(2, 2, 7, 5, generator=seeded(1), dtype=torch.float64)
    assert float((gradient(x) * q).sum() + (x * divergence(q)).sum()) == pytest.approx(0.0, abs=1e-12)


def test_tv_is_invariant_and_counts_the_perimeter():
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:9, 4:9] = 1
    expected = 4 * 5 - 2 + math.sqrt(2)  # the lower right corner pixel sees both differences at once
    assert float(TV(0.0)(x)) == pytest.approx(expected, rel=1e-6)
    assert float(TV(0.0)(x + 3)) == pytest.approx(expected, rel=1e-5)
    assert float(TV(0.0)(2 * x)) == pytest.approx(2 * expected, rel=1e-6)


def test_tv_prox_against_scikit_image():
    """Same denoising problem: ours reaches an objective that is at most theirs, to 1e-3."""
    from skimage.restoration import denoise_tv_chambolle

    x = torch.rand(1, 1, 24, 24, generator=seeded(), dtype=torch.float64)
    weight = 0.2  # skimage minimises ||v - x||^2 / 2 + weight TV(v)
    theirs = torch.from_numpy(denoise_tv_chambolle(x[0, 0].numpy(), weight=weight, eps=1e-8, max_num_iter=5_000))[
        None, None
    ]
    ours = TV(0.0).prox(x, weight)

    def objective(v):
        return float((v - x).pow(2).sum() / 2 + weight * TV(0.0)(v))

    assert objective(ours) <= objective(theirs) * (1 + 1e-3)
    assert objective(ours) >= objective(theirs) * (1 - 2e-2)  # theirs stops short of the optimum


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda G: Tikhonov(-1.0), "'lam' must be finite and >= 0"),
        (lambda G: TV(math.nan), "'lam' must be finite and >= 0"),
        (lambda G: L1("0.1"), "'lam' must be a number"),
        (lambda G: Hard(G, -0.1), "'lam' must be finite and >= 0, got -0.1"),
        (lambda G: Relaxed(G, 0.1, -2.0), "'mu' must be finite and >= 0, got -2"),
        (lambda G: Sparse(G, torch.tensor([0.1, -0.2]), 0.1), "'lam' must be finite and >= 0, got -0.2"),
        (lambda G: Hard(torch.nn.Linear(2, 2), 0.1), "'G' must be a Generator, got Linear"),
    ],
)
def test_bad_weights_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(tiny())


AS_FUNCTIONS = {
    "relaxed": lambda G: Relaxed(G, 0.1, 0.3),
    "sparse": lambda G: Sparse(G, 0.1, 0.3),
    "sparse-TV": lambda G: SparseTV(G, 0.1, 0.3),
}


@pytest.mark.parametrize("name", AS_FUNCTIONS)
def test_a_generative_regulariser_is_a_function_found_by_a_search(name):
    """R(x) is at most its inner objective at any z; the prox does not lose to x, to a mixture, to a neighbour."""
    G = tiny()
    R = AS_FUNCTIONS[name](G)
    x = G.sample(3, seeded(1)) + 0.05 * torch.randn(3, 1, 28, 28, generator=seeded(2), dtype=torch.float64)
    start = torch.randn(3, 2, 3, generator=seeded(3), dtype=torch.float64)
    value, mu = R(x, start), torch.full((3,), 0.3, dtype=torch.float64)
    assert bool((value <= R.price(x, G(start[:, 0]), start[:, 0], mu)).all())
    best = R(x, Dictionary(G, seeded(4), size=64), n_starts=3)
    assert best.shape == value.shape and bool(best.isfinite().all())
    v = R.prox(x, 0.4, start)

    def energy(w):
        return R(w, start) + (w - x).flatten(1).pow(2).sum(1) / 0.8

    for other in (x, 0.5 * (x + v), v + 0.01):
        assert bool((energy(v) <= energy(other) * (1 + 1e-3)).all())


def test_the_hard_regulariser_is_infinite_outside_the_range_and_others_say_what_they_lack():
    G = tiny()
    z = G.sample_latent(2, seeded(1))
    x = torch.cat([G(z), G(z) + 0.3])
    value = Hard(G, 1.0)(x, start=z.repeat(2, 1))
    assert torch.allclose(value[:2], z.pow(2).sum(1), rtol=1e-3) and bool(value[2:].isinf().all())
    with pytest.raises(TypeError, match="Intermediate is not a function of the image alone"):
        Intermediate(G, 0.1, 0.1)(x)
    with pytest.raises(TypeError, match="TV has no gradient at every x"):
        TV(0.1).grad(x)
