"""Solvers end, and say what they found: on what is not finite, badly scaled, drawn at random, or made by others."""

import copy
import math

import pytest
import torch
from registry import seeded
from test_known_answers import Linear
from torch import nn

from course_utils import (
    L1,
    TV,
    Dictionary,
    GaussianBlur,
    GaussianMatrix,
    GeneratorConfig,
    Hard,
    Identity,
    MultiCoil,
    ParallelBeam,
    Relaxed,
    Sparse,
    SparseTV,
    Tikhonov,
    build,
    dot_test,
    load,
    measure,
    operator_norm,
    pretrained,
    reconstruct,
)
from course_utils.generators import Generator
from course_utils.operators import LinearOperator, radial_mask, simulate_coil_maps
from course_utils.properties import as_generator, lipschitz, range_errors
from course_utils.regularisers import EncoderDistance
from course_utils.regularisers.objective import Objective
from course_utils.solvers import gradient_descent, lbfgs, value_and_jacobian
from course_utils.solvers.pool import FAILED

GENERATIVE = {
    "hard": lambda G: Hard(G, 0.01),
    "relaxed": lambda G: Relaxed(G, 0.01, 0.1),
    "sparse": lambda G: Sparse(G, 0.01, 0.1),
    "sparse-TV": lambda G: SparseTV(G, 0.01, 0.1),
    "encoder distance": lambda G: EncoderDistance(G, 0.01),
}


@pytest.fixture(scope="module")
def blurred():
    """A, data of 20 digits, and a generator of digits."""
    A = GaussianBlur(28)
    return A, measure(A, load("mnist").test[:20], 0.05, seeded(1)), pretrained("vae-mnist-8", verbose=False)


class Pixels(LinearOperator):
    """Every pixel times a factor, which is the norm, and not said."""

    def __init__(self, factor: float, size: int) -> None:
        super().__init__((1, size, size), (1, size, size), scale=1.0)
        self.register_buffer("factor", torch.tensor(factor))

    def _forward(self, x):
        return self.factor * x

    _adjoint = _forward


class Cliff(Objective):
    """||v||^2 + sqrt(v_1 - 1) where that exists: a finite value everywhere, and for v_1 < 1 the gradient NaN."""

    def magnitude(self):
        return torch.zeros(2)

    def select(self, index):
        return self

    def _value(self, v):
        return v.pow(2).sum(1) + torch.where(v[:, 0] > 1, (v[:, 0] - 1).sqrt(), 0.0)


# What is not finite


@pytest.mark.parametrize("make", GENERATIVE.values(), ids=GENERATIVE)
def test_a_diverged_training_is_an_error(blurred, make):
    A, y, G = blurred
    broken = copy.deepcopy(G)
    broken.decoder[0].weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match="where the solver starts"):
        reconstruct(A, y[:2], make(broken), start="random", generator=seeded())
    with pytest.raises(ValueError, match="where the solver starts"):
        range_errors(broken, y[:3], seeded())


@pytest.mark.parametrize("solver", ["lbfgs", "lm", "paper"])
def test_squares_that_overflow_are_an_error(blurred, solver):
    A, y, G = blurred
    with pytest.raises(ValueError, match="too large for the dtype"):
        reconstruct(A, y[:2], Hard(G, 0.01), solver=solver, start=torch.full((2, 8), 1e38))
    with pytest.raises(ValueError, match="too large for the dtype"):
        reconstruct(A, 1e19 * y[:2], Relaxed(G, 0.01, 0.1), solver=solver, start=torch.zeros(2, 8))


@pytest.mark.parametrize("descend", [lbfgs, gradient_descent])
def test_what_stops_being_finite_is_not_converged(descend):
    found, _ = descend(Cliff(), torch.full((2, 3), 2.0))
    assert bool((found["status"] == FAILED).all()) and bool(torch.isfinite(found["v"]).all())


# Scales and starts


def test_relaxed_with_a_small_weight_is_not_done_after_a_step(blurred):
    A, y, G = blurred
    R, start = Relaxed(G, 1e-4, 0.1), G.sample_latent(20, seeded(3))
    quick, slow = reconstruct(A, y, R, start=start), reconstruct(A, y, R, solver="lm", start=start)
    assert int(quick.iterations.min()) > 2
    assert bool((quick.objective <= 1.015 * slow.objective).all())


class Scaled(Generator):
    def __init__(self, G: Generator, factor: float) -> None:
        nn.Module.__init__(self)
        self.config, self.latent_dim, self.image_shape = None, G.latent_dim, G.image_shape
        self.inner, self.factor = G, factor

    def forward(self, z):
        return self.factor * self.inner(z)


@pytest.mark.parametrize("solver", ["lbfgs", "lm", "paper"])
@pytest.mark.slow
def test_units_play_no_part(blurred, solver):
    A, y, G = blurred
    start = G.sample_latent(20, seeded(5))
    plain = reconstruct(A, y, Hard(G, 0.01), solver=solver, start=start).objective
    for unit in (2.0**-10, 2.0**10):  # which changes no digit
        scaled = reconstruct(A, unit * y, Hard(Scaled(G, unit), 0.01 * unit**2), solver=solver, start=start)
        # another first step may lead into another valley, but not from most starts
        ratio = scaled.objective / unit**2 / plain
        assert float(ratio.median()) == pytest.approx(1, abs=0.02)
        assert ((ratio - 1).abs() < 0.15).double().mean() > 0.5


def test_eq_8_does_not_oscillate():
    """From a start on which a step of 2 / ||A||^2 turns the residual round."""
    G, A = Linear(2.0), Identity(8).double()
    y = G(torch.randn(3, 3, generator=seeded(), dtype=torch.float64))
    y = y + 0.01 * torch.randn(y.shape, generator=seeded(1), dtype=torch.float64)
    W = G(torch.eye(3, dtype=torch.float64)).flatten(1).T
    rest = (y.flatten(1) - y.flatten(1) @ W @ W.T / 4).pow(2).sum(1)  # the squared distance from the range
    for eta in (1.0, 2.0, 4.0):
        found = reconstruct(A, y, Hard(G, 0.0), solver="projected", start=torch.zeros(3, 3).double(), eta=eta)
        assert torch.allclose(found.objective, rest, rtol=1e-3) and bool(found.converged.all())


@pytest.mark.parametrize("lam", [0.1, 10.0])
def test_sparse_tv_goes_on_until_its_convex_problem_is_solved(blurred, lam):
    """For its z the best u, found for the pixels alone, is hardly better."""
    A, y, G = blurred
    y = y[:4]
    found = reconstruct(A, y, SparseTV(G, lam, 0.1), start="encoder", x0=y.clamp(0, 1), max_iter=300)
    alone = reconstruct(A, y - A(G(found.z)), TV(lam), tol=1e-8, max_iter=20_000)
    assert bool(found.converged.all())
    best = alone.objective + 0.1 * lam * found.z.pow(2).sum(1)
    assert bool((found.objective <= best * (1 + 1e-3)).all())


@pytest.mark.slow
def test_relaxed_without_a_decomposition_reaches_what_a_long_run_does():
    A = MultiCoil(radial_mask(128, 25), simulate_coil_maps(128, 4))
    assert not A.decomposes
    G, x = pretrained("vae-brain-512", verbose=False), load("brain").test[:1]
    y, R = measure(A, x, 0.05, seeded(1)), Relaxed(G, 0.1, 0.1)
    start = Dictionary(G, seeded(2), size=64)
    quick = reconstruct(A, y, R, start=start)
    paper = reconstruct(A, y, R, solver="paper", start=start, max_iter=400, tol=1e-14)
    assert bool(quick.converged) and float(quick.objective) <= float(paper.objective) * (1 + 1e-3)


def test_neighbours_change_nothing_but_round_off(blurred):
    """In float64 to 1e-5, also beside data 1e10 times as large; a path in float32 is free to end in another minimum."""
    A, y, G = GaussianBlur(28).double(), blurred[1][:4].double(), copy.deepcopy(blurred[2]).double()
    start = G.sample_latent(4, seeded(4))
    loud = y.clone()
    loud[1::2] *= 1e10
    for make in (GENERATIVE["hard"], GENERATIVE["relaxed"], GENERATIVE["sparse"]):
        together = reconstruct(A, y, make(G), start=start, max_iter=60)
        small = reconstruct(A, y, make(G), start=start, max_iter=60, batch_size=3)
        assert torch.allclose(small.x, together.x, atol=1e-5)
        beside = reconstruct(A, loud, make(G), start=start, max_iter=60)
        alone = reconstruct(A, y[::2], make(G), start=start[::2], max_iter=60)
        assert torch.allclose(beside.x[::2], alone.x, atol=1e-5)


# Operators and generators of others


def test_one_pixel_with_an_operator_that_does_not_say_its_norm():
    """min (2 x - 1)^2 + 0.1 |x| is at x = 0.4875."""
    found = reconstruct(Pixels(2.0, 1), torch.ones(1, 1, 1, 1), L1(0.1))
    assert float(found.x) == pytest.approx(0.4875, abs=1e-6) and bool(found.converged)


@pytest.mark.parametrize("factor", [1.5, 3.28])
@pytest.mark.parametrize("solver", ["paper", "fista"])
def test_tv_with_an_operator_that_does_not_say_its_norm(blurred, factor, solver):
    y = blurred[1][:2]
    found = reconstruct(Pixels(factor, 28), factor * y, TV(0.02 * factor**2), solver=solver)
    same = reconstruct(Identity(28), y, TV(0.02), solver=solver)
    assert bool(found.converged.all()) and torch.allclose(found.x, same.x, atol=1e-3)


@pytest.mark.parametrize(("R", "solver"), [(L1(0.1), "fista"), (TV(0.1), "paper")])
def test_an_objective_above_its_start_is_not_converged(R, solver):
    A = Pixels(3.0, 8)
    A._norm = 1.0  # a lie
    assert not reconstruct(
        A, torch.rand(2, 1, 8, 8, generator=seeded()), R, solver=solver, max_iter=100
    ).converged.any()


@pytest.mark.parametrize("make", GENERATIVE.values(), ids=GENERATIVE)
def test_layers_that_draw_are_refused(blurred, make):
    A, y, _ = blurred
    G = build(GeneratorConfig("ae", 3, variant="paper"), seed=0)  # in training mode, with dropout
    with pytest.raises(ValueError, match="'G' must be in evaluation mode"):
        reconstruct(A, y[:2], make(G), start="random", generator=seeded())
    G.freeze()
    assert bool(torch.isfinite(reconstruct(A, y[:2], make(G), start=torch.zeros(2, 3), max_iter=2).objective).all())


class Bare(Generator):
    """A generator without a decoder, as someone writes who knows nothing of this course."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.latent_dim, self.image_shape = 3, (1, 28, 28)
        self.weight = nn.Parameter(torch.randn(784, 3, generator=seeded()) / 28, requires_grad=False)

    def forward(self, z):
        return torch.sin(z @ self.weight.T).reshape(-1, 1, 28, 28)


@pytest.mark.parametrize("wrapped", [False, True], ids=["subclass", "as_generator"])
def test_a_generator_without_a_decoder(blurred, wrapped):
    A, y, _ = blurred
    G = plain = Bare()
    if wrapped:
        G = as_generator(type("Other", (), {"latent_dim": 3, "__call__": lambda self, z: plain(z)})())
    start = torch.full((2, 3), 0.1)
    for R, solver in ((Hard(G, 0.01), "lm"), (Relaxed(G, 0.01, 0.1), "lm"), (SparseTV(G, 0.01, 0.1), "auto")):
        found = reconstruct(A, y[:2], R, solver=solver, start=start, max_iter=20)
        assert bool(torch.isfinite(found.objective).all())
    assert bool(torch.isfinite(reconstruct(A, y[:2], Hard(G), solver="adapted", start=start, max_iter=2).x).all())
    assert ("Other" if wrapped else "Bare") in repr(Hard(G))
    images, jacobian = value_and_jacobian(G, start)
    assert torch.equal(images, G(start))
    step = 1e-2 * torch.eye(3)[0]
    difference = (G(start + step) - G(start - step)) / 2e-2
    assert torch.allclose(jacobian[:, 0], difference, atol=1e-4)


def test_solvers_work_in_inference_mode(blurred):
    outside = reconstruct(*blurred[:2], Hard(blurred[2], 0.01), start=torch.zeros(20, 8))
    with torch.inference_mode():
        A, G = GaussianBlur(28), pretrained("vae-mnist-8", verbose=False)
        y, start = blurred[1].clone(), torch.zeros(20, 8)
        inside = reconstruct(A, y, Hard(G, torch.tensor(0.01)), start=start)
        for R in (Relaxed(G, 0.01, 0.1), Sparse(G, 0.01, 0.1), SparseTV(G, 0.01, 0.1)):
            reconstruct(A, y[:2], R, start=start[:2], max_iter=5)
        Relaxed(G, 0.01, 0.1)(y[:2])
        Relaxed(G, 0.01, 0.1).prox(y[:2], 0.1)
        range_errors(G, y[:2], seeded())
        lipschitz(G, start[:2])
    assert torch.equal(inside.x, outside.x)


# Copies and torch.func

no_script_warning = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # on its import


@no_script_warning
def test_a_tomograph_can_be_copied_shared_and_mapped_over():
    A = ParallelBeam(28, 20, 41)
    x = torch.rand(3, 1, 28, 28, generator=seeded())
    assert torch.equal(copy.deepcopy(A)(x), A(x))
    assert torch.equal(torch.func.vmap(A)(x[:, None])[:, 0], A(x))
    value, direction = torch.func.jvp(A, (x,), (2 * x,))
    assert torch.equal(value, A(x)) and torch.allclose(direction, 2 * A(x))
    matrix = torch.func.jacrev(A)(x[:1]).reshape(820, 784)
    assert torch.allclose(matrix, A.matrix(), atol=1e-6)
    assert torch.allclose(torch.func.jacrev(A.T)(A(x[:1])).reshape(784, 820), matrix.T, atol=1e-6)
    assert torch.equal(A.share_memory()(x), A(x))


@no_script_warning
def test_a_frozen_generator_can_be_differentiated_by_torch_func(blurred):
    G, z = blurred[2], torch.randn(2, 8, generator=seeded())
    ours = value_and_jacobian(G, z)[1]
    forward = torch.func.vmap(torch.func.jacfwd(lambda v: G(v[None])[0]))(z)
    reverse = torch.func.vmap(torch.func.jacrev(lambda v: G(v[None])[0]))(z)
    for theirs in (forward, reverse):
        assert torch.allclose(theirs.permute(0, 4, 1, 2, 3), ours, atol=1e-5)


# Degenerate geometries


def test_a_tomograph_of_one_line_or_one_pixel():
    for A in (ParallelBeam(28, 1, 1), ParallelBeam(1, 1, 1), ParallelBeam(1, 3, 3)):
        A = A.double()
        assert dot_test(A) < 1e-12 and float(torch.linalg.matrix_norm(A.matrix(), 2)) == pytest.approx(1, rel=1e-6)


def test_an_operator_that_sees_nothing():
    A = Pixels(0.0, 8)
    assert operator_norm(A) == 0 and dot_test(A) == 0 and A.norm == 0
    y = torch.ones(1, 1, 8, 8)
    for R in (L1(0.1), TV(0.1), Tikhonov(0.1)):
        found = reconstruct(A, y, R)
        assert float(found.x.abs().max()) == 0 and bool(found.converged)


def test_a_matrix_says_its_norm_and_a_stranger_is_measured_once():
    assert GaussianMatrix(10, 8, seeded()).norm == 1
    A = Pixels(2.5, 8)
    assert A.norm == pytest.approx(2.5) and (2 * A).norm == pytest.approx(5)
