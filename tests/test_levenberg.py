"""Levenberg-Marquardt and the forward-mode Jacobian it needs."""

import math

import pytest
import torch
from registry import seeded, tiny
from torch import nn

from course_utils import GaussianMatrix, Hard, Magnitude, Relaxed, measure, reconstruct
from course_utils.generators import GeneratorConfig, build
from course_utils.solvers import levenberg_marquardt, objective_of, value_and_jacobian
from course_utils.solvers.levenberg import normal_equations


@pytest.fixture(scope="module")
def problem():
    G, A = tiny(), GaussianMatrix(60, 28, seeded()).double()
    return A, measure(A, G.sample(4, seeded(1)), 0.01, seeded(2)), G


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch.func's own, on its import
@pytest.mark.parametrize("variant", ["lean", "paper"])
@pytest.mark.parametrize("size", [28, 56])
def test_jacobian_is_that_of_torch_func(variant, size):
    G = build(GeneratorConfig("vae", 3, size, variant), seed=0).double().freeze()
    z = G.sample_latent(3, seeded(1))
    images, jacobian = value_and_jacobian(G, z)
    G.requires_grad_(True)  # the last layer then takes torch's own convolution, which torch.func knows
    theirs = torch.func.vmap(torch.func.jacfwd(lambda v: G.decoder(v[None])[0]))(z).permute(0, 4, 1, 2, 3)
    assert torch.allclose(images, G(z), atol=1e-12)
    assert torch.allclose(jacobian, theirs, atol=1e-12) and float(jacobian.abs().max()) > 1e-4


def test_live_dropout_and_what_cannot_be_differentiated_are_refused():
    G = tiny()
    G.decoder.append(nn.Softplus())  # not known layer by layer: by autograd
    z = G.sample_latent(2, seeded(1))
    theirs = torch.stack([torch.autograd.functional.jvp(G, z, e.expand_as(z))[1] for e in torch.eye(3).double()], 1)
    assert torch.allclose(value_and_jacobian(G, z)[1], theirs)
    G.forward = lambda z: G.decoder(z.detach())
    with pytest.raises(TypeError, match="'G' .* cannot be differentiated"):
        value_and_jacobian(G, z)
    G = build(GeneratorConfig("vae", 3, 28, "paper"), seed=0).double().requires_grad_(False).train()
    with pytest.raises(ValueError, match="must be in evaluation mode"):
        value_and_jacobian(G, torch.zeros(1, 3, dtype=torch.float64))


@pytest.mark.parametrize("make", [lambda G: Hard(G, 0.05), lambda G: Relaxed(G, 0.05, 0.3)], ids=["hard", "relaxed"])
def test_gradient_of_the_normal_equations_is_that_of_autograd(problem, make):
    A, y, G = problem
    objective, z = objective_of(A, y, make(G)), G.sample_latent(4, seeded(3))
    half, matrix = normal_equations(objective, z)
    _, grad = objective.value_and_grad(z)
    assert torch.allclose(2 * half, grad, atol=1e-10)
    assert torch.allclose(matrix, matrix.mT) and bool((torch.linalg.eigvalsh(matrix) > 0).all())


@pytest.mark.parametrize("make", [lambda G: Hard(G, 0.05), lambda G: Relaxed(G, 0.05, 0.3)], ids=["hard", "relaxed"])
def test_ends_where_the_gradient_vanishes_and_no_higher_than_lbfgs(problem, make):
    A, y, G = problem
    z0 = G.sample_latent(4, seeded(1))
    ours = reconstruct(A, y, make(G), "lm", start=z0, tol=1e-12)
    other = reconstruct(A, y, make(G), "lbfgs", start=z0, tol=1e-12)
    assert bool(ours.converged.all())
    assert bool((ours.objective <= other.objective * (1 + 1e-6)).all())
    first = objective_of(A, y, make(G)).value_and_grad(z0)[1].norm(dim=1)
    last = objective_of(A, y, make(G)).value_and_grad(ours.z)[1].norm(dim=1)
    assert bool((last < 1e-3 * first).all())
    assert bool((ours.gradients == 0).all()) and bool((ours.values >= ours.iterations + 4).all())


def test_directions_without_effect_do_no_harm():
    """Two latent directions that G ignores, and no weight on z: the steps stay finite, those entries stay put."""
    G, A = tiny(), GaussianMatrix(60, 28, seeded()).double()
    G.decoder[0].weight[:, 1:] = 0
    y, z0 = A(G.sample(2, seeded(1))), G.sample_latent(2, seeded(2))
    r = reconstruct(A, y, Hard(G, 0.0), "lm", start=z0)
    assert bool(torch.isfinite(r.objective).all()) and torch.allclose(r.z[:, 1:], z0[:, 1:], atol=1e-9)


def test_bad_settings_are_named(problem):
    A, y, G = problem
    objective, z0 = objective_of(A, y, Hard(G, 0.1)), torch.zeros(4, 3, dtype=torch.float64)
    for settings, message in (
        ({"damping": 0.0}, "'damping' must be > 0"),
        ({"max_iter": -1}, "'max_iter' must be at least 0"),
        ({"tol": math.nan}, "'tol' must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            levenberg_marquardt(objective, z0, **settings)
    with pytest.raises(TypeError, match="'A' must be a LinearOperator"):
        reconstruct(Magnitude(A), y.abs(), Hard(G, 0.1), "lm", start=z0)
