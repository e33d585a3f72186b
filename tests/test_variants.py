"""Variants of R_Z and F: values, gradients, projections, problems; eq. (8), the Lasso, phase retrieval, S-REC."""

import math

import numpy as np
import pytest
import torch
from registry import LATENT, VARIANTS, mixture, seeded, tiny

from course_utils import (
    L1,
    TV,
    Dictionary,
    GaussianMatrix,
    Hard,
    Identity,
    Inpainting,
    Magnitude,
    Relaxed,
    measure,
    reconstruct,
)
from course_utils.regularisers import (
    Box,
    CriticLoss,
    EncoderDistance,
    GaussianMixture,
    ImageTV,
    Intermediate,
    Sphere,
    SquaredNorm,
)
from course_utils.solvers import gradient_descent, objective_of, s_rec
from course_utils.solvers.srec import _SquaredRatio

CASES = [(name, solver) for name, (_, solvers) in VARIANTS.items() for solver in solvers]
every_variant = pytest.mark.parametrize(("name", "solver"), CASES, ids=["-".join(case) for case in CASES])
every_latent = pytest.mark.parametrize("name", LATENT)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def problem():
    G = tiny()
    A = GaussianMatrix(60, 28, seeded()).double()
    x = G.sample(4, seeded(1))
    return A, measure(A, x, 0.01, seeded(2)), G, x


# R_Z


@every_latent
def test_gradient_against_finite_differences(name):
    G = tiny("wgan")
    R = LATENT[name](G)
    if R.constraint:
        return
    z = draw(2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: R(v, G(v)), z)


@every_latent
def test_each_vector_of_a_batch_by_itself(name):
    G = tiny("wgan")
    R, z = LATENT[name](G), draw(5, 3)
    if R.constraint:
        z = R.project(z)
        assert torch.equal(R.project(z[2:3]), R.project(z)[2:3])
    one_by_one = torch.cat([R(part, G(part)) for part in z.split(1)])
    assert torch.allclose(R(z, G(z)), one_by_one, atol=1e-10)


@pytest.mark.parametrize("R", [Box(0.7), Sphere(), Sphere(2.5)], ids=repr)
def test_projection_against_brute_force(R):
    z = torch.cat([2 * draw(20, 2), torch.zeros(1, 2, dtype=torch.float64)])
    found = R.project(z)
    assert bool((R(found, None) == 0).all()) and torch.allclose(R.project(found), found, atol=1e-14)
    if isinstance(R, Box):
        ticks = torch.linspace(-0.7, 0.7, 281, dtype=torch.float64)
        candidates = torch.cartesian_prod(ticks, ticks)
    else:
        angle = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
        candidates = (R.radius or 2**0.5) * torch.stack([angle.cos(), angle.sin()], dim=1)
    nearest = torch.cdist(z, candidates).amin(1)
    distance = (found - z).norm(dim=1)
    assert bool((distance <= nearest + 1e-9).all())
    assert float((nearest - distance).max()) < 0.01
    assert bool(torch.isinf(R(found + 0.1, None)).any())


def test_a_standard_normal_lies_near_the_sphere_of_radius_root_d():
    for d in (8, 512):
        norms = draw(4_000, d).norm(dim=1)
        assert float(norms.mean()) == pytest.approx(d**0.5, abs=0.15)
        assert float(norms.std()) < 1
    assert float(Sphere().project(draw(3, 64)).norm(dim=1).max()) == pytest.approx(8.0)


def test_one_standard_gaussian_is_the_squared_norm():
    R = GaussianMixture(torch.ones(1), torch.zeros(1, 3), torch.eye(3)[None])
    z = draw(6, 3)
    assert torch.allclose(R(z), SquaredNorm()(z, None), atol=1e-10)


def test_mixture_against_the_density_of_torch():
    R, z = mixture(3, 2), draw(50, 3)
    parts = torch.distributions.MultivariateNormal(R.means, R.covariances)
    theirs = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(R.weights), parts).log_prob(z)
    assert torch.allclose(R.log_peak() - R(z) / 2, theirs, atol=1e-10)
    assert bool((R(torch.cat([z, R.means])) >= 0).all())


def test_expectation_maximisation_finds_two_clusters_and_does_not_lose_likelihood():
    means = torch.tensor([[3.0, 0.0], [-3.0, 1.0]])
    z = torch.cat([0.5 * draw(600, 2) + means[0], draw(300, 2, seed=1) + means[1]])
    likelihood = []
    for steps in (1, 2, 5, 100):
        R = GaussianMixture.fit(z, 2, seeded(3), max_iter=steps)
        likelihood.append(float((R.log_peak() - R(z) / 2).mean()))
    assert likelihood == sorted(likelihood)
    order = R.means[:, 0].argsort(descending=True)
    assert torch.allclose(R.means[order], means.double(), atol=0.15)
    assert torch.allclose(R.weights[order], torch.tensor([2 / 3, 1 / 3], dtype=torch.float64), atol=0.03)
    assert float(R.covariances[order[0]].diagonal().mean()) == pytest.approx(0.25, abs=0.05)
    one = GaussianMixture.fit(z)
    assert torch.allclose(one.means[0], z.mean(0)) and torch.allclose(one.covariances[0], torch.cov(z.T), atol=1e-4)
    assert likelihood[-1] > float((one.log_peak() - one(z) / 2).mean())


def test_smoothed_tv_tends_to_tv():
    x = torch.rand(2, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    assert torch.allclose(ImageTV(1e-8)(None, x), TV(0.0)(x), rtol=1e-6)
    assert bool((ImageTV(0.1)(None, x) < TV(0.0)(x)).all())


def test_critic_loss_is_what_the_generator_minimises():
    G = tiny("wgan")
    mean = float(CriticLoss(G)(None, G(G.sample_latent(16, seeded(4)))).mean())
    assert mean == pytest.approx(float(G.generator_loss(16, seeded(4))))


# The problems


def value(name, R, A, y, r):
    """The formula of each problem, from the result alone; None where x does not tell the value."""
    data = (A(r.x) - y).flatten(1).pow(2).sum(1)
    if name in ("box", "sphere"):
        return data
    if name == "eq. (8)":
        return data + R.lam * r.z.pow(2).sum(1)
    if name == "encoder distance":
        return data + R.lam * (r.x - R.G(R.G.encode(r.x))).pow(2).flatten(1).sum(1)
    if name == "intermediate":
        return None
    return data + R.lam * R.R_Z(r.z, r.x)


@every_variant
def test_objective_is_that_of_the_formula_and_falls(problem, name, solver):
    A, y, G, _ = problem
    R = VARIANTS[name][0](G, 0.05, 0.05)
    r = reconstruct(A, y, R, solver=solver, start="random", generator=seeded(3), max_iter=60, trace=True)
    expected = value(name, R, A, y, r)
    if expected is not None:
        assert torch.allclose(r.objective, expected, rtol=1e-8)
    f = r.trace["f"][:, :, 0]
    assert bool(((f[1:] <= f[:-1] * (1 + 1e-12)) | torch.isnan(f[1:])).all())
    ends = (~torch.isnan(f)).sum(0) - 1
    assert torch.allclose(f[ends, torch.arange(4)], r.objective)
    if isinstance(R, Hard):
        assert torch.allclose(r.x, G(r.z)) and bool((R.R_Z(r.z, r.x) < math.inf).all())
    assert torch.allclose(r.u, r.x - G(r.z))


@every_variant
def test_result_does_not_depend_on_batch_neighbours(problem, name, solver):
    A, y, G, _ = problem
    z0, R = draw(4, 3, seed=5), VARIANTS[name][0](G, 0.05, 0.05)
    together = reconstruct(A, y, R, solver=solver, start=z0, max_iter=25)
    chunked = reconstruct(A, y, R, solver=solver, start=z0, max_iter=25, batch_size=3)
    assert torch.allclose(chunked.x, together.x, atol=1e-7)
    for i in range(4):
        alone = reconstruct(A, y[i : i + 1], R, solver=solver, start=z0[i : i + 1], max_iter=25)
        assert torch.allclose(alone.x, together.x[i : i + 1], atol=1e-7)
        assert int(alone.iterations) == int(together.iterations[i])


@pytest.mark.parametrize("name", [n for n in VARIANTS if n not in ("box", "sphere")])
def test_weights_per_problem_are_a_sweep(problem, name):
    A, y, G, _ = problem
    z0, make, weights = draw(1, 3, seed=5), VARIANTS[name][0], [0.01, 0.3]
    tensor = torch.tensor(weights, dtype=torch.float64)
    both = reconstruct(A, y[:1].repeat(2, 1), make(G, tensor, 0.1), start=z0.repeat(2, 1), max_iter=20)
    for i, lam in enumerate(weights):
        one = reconstruct(A, y[:1], make(G, lam, 0.1), start=z0, max_iter=20)
        assert torch.allclose(one.x, both.x[i : i + 1], atol=1e-7)


@pytest.mark.parametrize("R_Z", [Box(0.4), Sphere(0.8)], ids=repr)
@pytest.mark.slow
def test_constrained_solution_against_brute_force(R_Z):
    """Two latent dimensions, so that the whole set can be searched."""
    from course_utils import GeneratorConfig, build

    G = build(GeneratorConfig("ae", 2), seed=0).double().freeze()
    A = GaussianMatrix(60, 28, seeded()).double()
    y = A(G.sample(2, seeded(1)))
    if isinstance(R_Z, Box):
        ticks = torch.linspace(-0.4, 0.4, 41, dtype=torch.float64)
        candidates = torch.cartesian_prod(ticks, ticks)
    else:
        angle = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)
        candidates = 0.8 * torch.stack([angle.cos(), angle.sin()], dim=1)
    objective = objective_of(A, y, Hard(G, R_Z=R_Z))
    for i in range(2):
        by_force = objective.select(torch.tensor([i] * len(candidates))).value(candidates).min()
        starts = R_Z.project(2 * draw(8, 2, seed=7))
        r = reconstruct(A, y[i : i + 1], Hard(G, R_Z=R_Z), start=starts[None], tol=1e-10, max_iter=2_000)
        assert float(r.objective) <= float(by_force) * (1 + 1e-6)


def test_constraint_moves_the_dictionary(problem):
    A, y, G, _ = problem
    dictionary = Dictionary(G, seeded(4), size=64)
    moved = dictionary.projected(Sphere())
    assert torch.allclose(moved.z.norm(dim=1), torch.full((64,), 3**0.5, dtype=torch.float64))
    assert torch.allclose(moved.images, G(moved.z)) and dictionary.projected(Sphere()) is moved
    assert not torch.equal(dictionary.z, moved.z)
    r = reconstruct(A, y, Hard(G, R_Z=Sphere()), start=dictionary, max_iter=0)
    best = moved.best(objective_of(A, y, Hard(G, R_Z=Sphere())))[:, 0]
    assert torch.allclose(r.z, best)


def test_eq_8_reaches_the_hard_minimum(problem):
    A, y, G, x = problem
    z0 = G.sample_latent(4, seeded(1)) + 0.1 * draw(4, 3)
    by_lbfgs = reconstruct(A, y, Hard(G, 0.05), start=z0, tol=1e-12)
    for eta in (1.0, 8.0):
        by_projection = reconstruct(
            A, y, Hard(G, 0.05), solver="projected", start=z0, tol=1e-10, max_iter=3_000, eta=eta
        )
        assert torch.allclose(by_projection.objective, by_lbfgs.objective, rtol=1e-3)
    # with A = I and lam = 0 one step is the projection itself
    w = x + 0.1 * draw(*x.shape)
    eye = Identity(28).double()
    once = reconstruct(eye, w, Hard(G, 0.0), solver="projected", start=z0, eta=1.0, inner_iter=200, max_iter=1)
    projected = reconstruct(eye, w, Hard(G, 0.0), start=z0, tol=1e-12)
    assert torch.allclose(once.objective, projected.objective, rtol=1e-5)


def test_encoder_distance_gradient_and_bound():
    G = tiny()
    R, x = EncoderDistance(G, 0.1), torch.rand(2, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    line = draw(2, 1, 28, 28, seed=1)
    assert torch.autograd.gradcheck(lambda t: R(x + t * line), torch.zeros((), dtype=torch.float64).requires_grad_())
    nearest = reconstruct(Identity(28).double(), x, Hard(G, 0.0), start=G.encode(x))
    assert bool((R(x) >= nearest.objective - 1e-9).all())


def test_intermediate_with_the_last_layer_last_is_relaxed_before_it(problem):
    """v = 0 gives the hard value; a large weight forbids v; and its gradient is right."""
    A, y, G, _ = problem
    R = Intermediate(G, 0.05, 0.05, layer=3)
    objective = objective_of(A, y, R)
    z = draw(4, 3)
    q = R.G_1(z[:1]).numel()
    w = torch.cat([z, torch.zeros(4, q, dtype=z.dtype)], dim=1)
    assert torch.allclose(objective.value(w), objective_of(A, y, Hard(G, 0.05 * 0.05)).value(z))
    v = w + 0.1 * draw(*w.shape)
    f, grad = objective.value_and_grad(v)
    step = 1e-6 * draw(*w.shape, seed=2)
    slope = (objective.value(v + step) - objective.value(v - step)) / 2
    assert torch.allclose(slope, (grad * step).sum(1), rtol=1e-5)
    assert float(f.min()) > 0
    strict = reconstruct(A, y, Intermediate(G, 1e6, 0.05 * 0.05 / 1e6), start=z)
    assert torch.allclose(strict.objective, reconstruct(A, y, Hard(G, 0.05 * 0.05), start=z).objective, rtol=1e-4)
    loose = reconstruct(A, y, R, start=z)
    assert bool((loose.objective < reconstruct(A, y, Hard(G, 0.05 * 0.05), start=z).objective).all())


# The Lasso


def test_bounded_l1_prox_against_a_grid():
    x, tau = draw(1, 40), 0.3
    R = L1(0.0, bounds=(-0.2, 1.0))
    grid = torch.linspace(-0.2, 1.0, 12_001, dtype=torch.float64)[:, None]
    best = grid[(tau * grid.abs() + 0.5 * (grid - x) ** 2).argmin(0), 0]
    assert torch.allclose(R.prox(x, tau)[0], best, atol=1e-4)
    assert float(R(best[None])) < math.inf and float(R(best[None] + 1)) == math.inf


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_fista_satisfies_the_optimality_condition(bounds):
    A = GaussianMatrix(40, 12, seeded()).double()
    x = torch.zeros(3, 1, 12, 12, dtype=torch.float64)
    x[:, :, 4:7, 5] = 0.8
    lam = torch.tensor([0.003, 0.01, 0.03], dtype=torch.float64)
    y = measure(A, x, 0.01, seeded(1))
    r = reconstruct(A, y, L1(lam, bounds), max_iter=20_000, tol=1e-18)
    g, w = 2 * A.T(A(r.x) - y), lam[:, None, None, None]
    inside = r.x.abs() > 1e-9
    if bounds is not None:
        inside &= r.x < 1
        assert bool((g[r.x <= 1e-9] + w.expand_as(g)[r.x <= 1e-9] >= -1e-5).all())
    else:
        assert bool((g.abs() <= w * (1 + 1e-3)).all())
    assert torch.allclose(g[inside], (-w * r.x.sign())[inside], atol=1e-5)
    alone = reconstruct(A, y[1:2], L1(0.01, bounds), max_iter=20_000, tol=1e-18)
    assert torch.allclose(alone.x, r.x[1:2], atol=1e-9)
    assert torch.allclose(r.objective, (A(r.x) - y).pow(2).sum(1) + lam * r.x.flatten(1).abs().sum(1))


# Inpainting and phase retrieval


def test_inpainting_keeps_what_it_sees():
    mask = torch.ones(28, 28, dtype=torch.bool)
    mask[4:9, 10:20] = False
    A = Inpainting(mask).double()
    x = torch.rand(2, 1, 28, 28, generator=seeded(), dtype=torch.float64)
    assert torch.equal(A(x), x[:, 0][:, mask]) and torch.equal(A.T(A(x)), x * mask)
    assert torch.allclose(A.svd().S, torch.ones(A.m, dtype=torch.float64))


def test_signs_do_not_matter_and_the_gradient_is_right():
    A = GaussianMatrix(50, 28, seeded()).double()
    B, x = Magnitude(A), draw(2, 1, 28, 28)
    assert torch.equal(B(x), B(-x)) and bool((B(x) >= 0).all())
    x.requires_grad_()
    r = draw(2, 50, seed=1)
    (grad,) = torch.autograd.grad((B(x) * r).sum(), x)
    assert torch.allclose(grad, A.T(A(x.detach()).sign() * r))


@pytest.mark.slow
def test_phase_retrieval_by_hard():
    G, A = tiny(), Magnitude(GaussianMatrix(80, 28, seeded()).double())
    x = G.sample(3, seeded(1))
    y = A(x)
    r = reconstruct(A, y, Hard(G, 0.0), start="dictionary", generator=seeded(2), n_starts=8, tol=1e-12)
    assert float(r.objective.max()) < 1e-3
    near = G.sample_latent(3, seeded(1)) + 0.05
    by_descent, _ = gradient_descent(objective_of(A, y, Hard(G, 0.0)), near, max_iter=300)
    assert float(by_descent["f"].max()) < 1e-2
    for R in (Relaxed(G, 0.1, 0.1), TV(0.1), EncoderDistance(G, 0.1)):
        with pytest.raises(TypeError, match="'A' must be a LinearOperator for this problem, got Magnitude"):
            reconstruct(A, y, R, generator=seeded())


# S-REC


@pytest.mark.slow
def test_s_rec_against_brute_force():
    """gamma is at most the ratio of every pair, and near the least singular value of A on the tangents."""
    G, A = tiny(), GaussianMatrix(30, 28, seeded()).double()
    found = s_rec(A, G, seeded(1), pairs=300, descend=16, max_iter=200)
    z1, z2 = draw(500, 3, seed=2), draw(500, 3, seed=3)
    d = G(z1) - G(z2)
    ratio = A(d).norm(dim=1) / d.flatten(1).norm(dim=1) / found.scale
    assert found.gamma <= float(ratio.min()) and found.gamma <= float(found.ratios.min())
    assert found.gamma == pytest.approx(float(found.worst.min()), rel=1e-6)
    z1, z2 = found.z[:, 0], found.z[:, 1]
    d = G(z1) - G(z2)
    again = A(d).norm(dim=1) / d.flatten(1).norm(dim=1) / found.scale
    assert torch.allclose(again, found.worst, rtol=1e-6)
    assert found.scale == pytest.approx(float(A.matrix().norm()) / 28, rel=1e-6)
    wide = s_rec(A, G, seeded(1), pairs=300, descend=16, delta=0.5)
    assert wide.gamma > found.gamma


@pytest.mark.slow
def test_s_rec_sees_what_a_cannot():
    """Two measurements cannot tell a three-dimensional range apart: descent finds gamma = 0, nearly."""
    G = tiny()
    few = s_rec(GaussianMatrix(2, 28, seeded()).double(), G, seeded(1), pairs=200, descend=16, max_iter=300)
    many = s_rec(GaussianMatrix(300, 28, seeded()).double(), G, seeded(1), pairs=200, descend=16, max_iter=300)
    assert few.gamma < 0.05 < 0.5 < many.gamma < 1.2
    pair = draw(2, 6)
    objective = _SquaredRatio(GaussianMatrix(30, 28, seeded()).double(), G, 0.1, pair)
    assert torch.autograd.gradcheck(objective._value, pair.requires_grad_())


# Bad input


def test_bad_input_is_named(problem):
    A, y, G, _ = problem
    eye = torch.eye(2)[None]
    bad = [
        (lambda: Box(0.0), "'bound' must be > 0"),
        (lambda: Sphere(-1.0), "'radius' must be finite and >= 0"),
        (lambda: ImageTV(0), "'epsilon' must be > 0"),
        (lambda: CriticLoss(G), "'critic' must be a WGAN"),
        (lambda: SquaredNorm().project(y), "is no constraint"),
        (lambda: GaussianMixture(torch.ones(1), torch.zeros(1, 3), eye), "'covariances' must have shape"),
        (lambda: GaussianMixture(torch.ones(1), torch.zeros(1, 2), -eye), "'covariances' must be positive definite"),
        (lambda: GaussianMixture(0.5 * torch.ones(1), torch.zeros(1, 2), eye), "'weights' must be > 0 and sum to 1"),
        (lambda: mixture()(torch.zeros(2, 5)), "'z' must have shape"),
        (lambda: GaussianMixture.fit(draw(3, 3)), "'z' must hold more than 3 vectors"),
        (lambda: GaussianMixture.fit(draw(30, 3), 2), "'generator' must be a torch.Generator"),
        (lambda: GaussianMixture.fit(draw(30, 3) * math.nan), "'z' must be finite"),
        (lambda: Hard(G, 0.1, "box"), "'R_Z' must be a LatentRegulariser"),
        (lambda: EncoderDistance(tiny("wgan"), 0.1), "'G' must have an encoder"),
        (lambda: Intermediate(G, 0.1, 0.1, layer=8), "'layer' must be less than 8"),
        (lambda: L1(0.1, bounds=(1, 0)), "'bounds' must be"),
        (lambda: Inpainting(torch.zeros(4, 4, dtype=torch.bool)), "'mask' keeps nothing"),
        (lambda: Inpainting(torch.ones(4, 4)), "'mask' must be a bool tensor"),
        (lambda: Magnitude(torch.eye(3)), "'A' must be a LinearOperator, got Tensor"),
        (lambda: s_rec(A, G, seeded(), delta=-1.0), "'delta' must be finite and >= 0"),
        (lambda: s_rec(GaussianMatrix(5, 12, seeded()), G, seeded()), "'G' makes images"),
        (lambda: reconstruct(A, y, Hard(G, 0.1), solver="projected", generator=seeded(), eta=0.5), "'eta' must be at"),
        (lambda: reconstruct(A, y, Hard(G, 0.1, Box()), solver="lbfgs"), "'solver' must be one of 'auto', 'constr"),
        (lambda: reconstruct(Magnitude(A), y, Hard(G, 0.1), solver="projected"), "'A' must be a LinearOperator"),
    ]  # fmt: skip
    for call, message in bad:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
    assert np.isfinite(float(y.sum()))
