"""Every regulariser with every solver on convex problems whose answer is known: what says converged is there.

The generator is linear, so that hard, relaxed, ... are convex.  The minimum is a linear system, or comes from scipy, or
from a long primal-dual run in NumPy with its duality gap.  Data, operator or generator are scaled, with the weights, so
that the minimisers are scaled images of each other: no solver may care.
"""

import functools

import numpy as np
import pytest
import scipy.optimize
import torch
from registry import seeded
from torch import nn

from course_utils import L1, TV, GaussianMatrix, Hard, Relaxed, Sparse, SparseTV, Tikhonov, reconstruct
from course_utils.generators import Generator
from course_utils.regularisers import Box, EncoderDistance, GaussianMixture, Intermediate, Sphere
from course_utils.regularisers.differences import gradient
from course_utils.regularisers.registry import algorithms_of

SIZE, D = 8, 3
LAM, MU = 0.05, 0.3
#: Factors of the data, the operator and the generator.
SCALES = {
    "as they are": (1, 1, 1),
    "data / 1000": (1e-3, 1, 1), "data * 1000": (1e3, 1, 1),
    "operator / 1000": (1, 1e-3, 1), "operator * 1000": (1, 1e3, 1),
    "generator / 1000": (1, 1, 1e-3), "generator * 1000": (1, 1, 1e3),
}  # fmt: skip


class Linear(Generator):
    """z -> W z, with the best encoder; W has orthogonal columns of length ``scale``."""

    has_encoder = True

    def __init__(self, scale: float = 1.0) -> None:
        nn.Module.__init__(self)
        self.config, self.latent_dim, self.image_shape = None, D, (1, SIZE, SIZE)
        draw = torch.randn(SIZE**2, 5, generator=seeded(7), dtype=torch.float64)
        first = torch.randn(5, D, generator=seeded(8), dtype=torch.float64)
        layers = [nn.Linear(D, 5, bias=False), nn.Linear(5, SIZE**2, bias=False), nn.Unflatten(1, self.image_shape)]
        self.decoder = nn.Sequential(*layers).double()
        self.decoder[0].weight.data = torch.linalg.qr(first)[0]
        self.decoder[1].weight.data = scale * torch.linalg.qr(draw)[0]
        self.scale = scale
        self.freeze()

    def forward(self, z):
        return self.decoder(z)

    def encode(self, x):
        return x.flatten(1) @ self.decoder[1].weight @ self.decoder[0].weight / self.scale**2


@functools.cache
def setting():
    """A, its matrix, the two matrices of the generator, and two measurements."""
    A = GaussianMatrix(100, SIZE, seeded()).double()
    G = Linear()
    x = G(torch.randn(2, D, generator=seeded(1), dtype=torch.float64) * 3)
    x[:, :, 2:4, 5:7] += 1.5
    y = A(x) + 0.05 * torch.randn(2, 100, generator=seeded(2), dtype=torch.float64)
    inner, outer = (layer.weight.numpy() for layer in G.decoder[:2])
    return A, A.matrix().numpy(), inner, outer, y


def quadratic(M: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """min_v ||M v - y||^2 + v^T penalty v for each measurement."""
    y = setting()[-1].numpy()
    v = np.linalg.solve(M.T @ M + penalty, M.T @ y.T)
    return ((M @ v - y.T) ** 2).sum(0) + (v * (penalty @ v)).sum(0)


def nonsmooth(K: np.ndarray, groups: int, with_latent: bool, bounds=None) -> np.ndarray:
    """min ||A (W z + u) - y||^2 + LAM (sum of the lengths of K u, in groups + MU ||z||^2), to a gap of 1e-11.

    z is eliminated: what is left is a quadratic function of u, with the matrix Q, and the dual has a closed form.
    """
    _, A, inner, outer, y = setting()
    y, W = y.numpy().T, outer @ inner
    hat = np.eye(100)
    if with_latent:
        M = A @ W
        hat = hat - M @ np.linalg.solve(M.T @ M + LAM * MU * np.eye(D), M.T)  # ||.||^2 in this norm
    Q, c, rest = A.T @ hat @ A, A.T @ hat @ y, (y * (hat @ y)).sum(0)
    Q_inverse = np.linalg.inv(Q)

    def lengths(v):
        return np.sqrt((v.reshape(groups, -1, v.shape[1]) ** 2).sum(0))

    def primal(u):
        return (u * (Q @ u)).sum(0) - 2 * (c * u).sum(0) + rest + LAM * lengths(K @ u).sum(0)

    def dual(q):  # min over u of the quadratic plus <K u, q>
        r = c - K.T @ q / 2
        return rest - (r * (Q_inverse @ r)).sum(0)

    # the dual, max over lengths(q) <= LAM, by the accelerated projected gradient method
    L = np.linalg.norm(K @ Q_inverse @ K.T, 2) / 2
    q = p = np.zeros((K.shape[0], 2))
    t = 1.0
    for _ in range(200_000):
        u = Q_inverse @ (c - K.T @ p / 2)
        new = p + (K @ u) / L
        new = new / np.tile(np.maximum(lengths(new) / LAM, 1), (groups, 1))
        if ((p - new) * (new - q)).sum() > 0:
            t = 1.0
        t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
        p, q, t = new + (t - 1) / t_new * (new - q), new, t_new
        best = primal(Q_inverse @ (c - K.T @ q / 2))
        if (best - dual(q) <= 1e-11 * best).all():
            return best
    raise AssertionError("the reference has not converged")


def differences() -> np.ndarray:
    """The matrix of ``gradient``, the vertical differences first."""
    eye = torch.eye(SIZE**2, dtype=torch.float64).reshape(-1, 1, SIZE, SIZE)
    return gradient(eye).flatten(1).numpy().T


def boxed(bound: float) -> np.ndarray:
    _, A, inner, outer, y = setting()
    solved = [scipy.optimize.lsq_linear(A @ outer @ inner, row, (-bound, bound), tol=1e-14) for row in y.numpy()]
    return np.array([2 * found.cost for found in solved])


def spherical(radius: float) -> np.ndarray:
    """min ||M z - y||^2 with ||z|| = radius: (M^T M + t I) z = M^T y for the t that gives the length."""
    _, A, inner, outer, y = setting()
    M = A @ outer @ inner
    values, V = np.linalg.eigh(M.T @ M)
    found = []
    for row in y.numpy():
        c = V.T @ M.T @ row

        def excess(t, c=c):
            return np.sqrt(((c / (values + t)) ** 2).sum()) - radius

        t = scipy.optimize.brentq(excess, -values[0] + 1e-12, 1e6, xtol=1e-15)
        found.append(((M @ V @ (c / (values + t)) - row) ** 2).sum())
    return np.array(found)


def minima() -> dict:
    """name -> (how to make the regulariser from G and the factors c, a, s; the least objective)."""
    _, A, inner, outer, _ = setting()
    W, n = outer @ inner, SIZE**2
    two = np.hstack([A @ W, A @ outer])
    gaussian = np.diag([0.5, 1.0, 2.0])
    prior = (torch.ones(1), torch.zeros(1, D), torch.tensor(gaussian)[None])
    return {
        "hard": (lambda G, c, a, s: Hard(G, LAM * (a * s) ** 2), lambda: quadratic(A @ W, LAM * np.eye(D))),
        "hard, no weight": (lambda G, c, a, s: Hard(G, 0.0), lambda: quadratic(A @ W, 0 * np.eye(D))),
        "one Gaussian": (
            lambda G, c, a, s: Hard(G, LAM * (a * c) ** 2, GaussianMixture(*prior[:2], prior[2] * (c / s) ** 2)),
            lambda: quadratic(A @ W, LAM * np.linalg.inv(gaussian)),
        ),
        "box": (lambda G, c, a, s: Hard(G, 0.0, Box(1.5 * c / s)), lambda: boxed(1.5)),
        "sphere": (lambda G, c, a, s: Hard(G, 0.0, Sphere(2.0 * c / s)), lambda: spherical(2.0)),
        "relaxed": (
            lambda G, c, a, s: Relaxed(G, LAM * a**2, MU * s**2),
            lambda: quadratic(
                np.hstack([A @ W, A]),
                LAM * np.block([[MU * np.eye(D), np.zeros((D, n))], [np.zeros((n, D)), np.eye(n)]]),
            ),
        ),
        "intermediate": (
            lambda G, c, a, s: Intermediate(G, LAM * (a * s) ** 2, MU, layer=1),
            lambda: quadratic(two, LAM * np.diag([MU] * D + [1.0] * 5)),
        ),
        "encoder distance": (
            lambda G, c, a, s: EncoderDistance(G, LAM * a**2), lambda: quadratic(A, LAM * (np.eye(n) - W @ W.T)),
        ),
        "sparse": (
            lambda G, c, a, s: Sparse(G, LAM * a**2 * c, MU * s**2 / c), lambda: nonsmooth(np.eye(n), 1, True),
        ),
        "sparse-TV": (
            lambda G, c, a, s: SparseTV(G, LAM * a**2 * c, MU * s**2 / c), lambda: nonsmooth(differences(), 2, True),
        ),
        "tikhonov": (lambda G, c, a, s: Tikhonov(LAM * a**2), lambda: quadratic(A, LAM * np.eye(n))),
        "l1": (lambda G, c, a, s: L1(LAM * a**2 * c), lambda: nonsmooth(np.eye(n), 1, False)),
        "tv": (lambda G, c, a, s: TV(LAM * a**2 * c), lambda: nonsmooth(differences(), 2, False)),
    }  # fmt: skip


MINIMA = minima()


@functools.cache
def least(name: str) -> torch.Tensor:
    return torch.tensor(MINIMA[name][1]())


def posed(name: str, scale: str):
    c, a, s = SCALES[scale]
    A, y, G = setting()[0], setting()[-1], Linear(s)
    R = MINIMA[name][0](G, c, a, s)
    start = 0.5 * c / s * torch.randn(2, D, generator=seeded(3), dtype=torch.float64)
    return A if a == 1 else a * A, a * c * y, R, start, (a * c) ** 2


def solvers_of(name: str) -> list[str]:
    A, y, R, _, _ = posed(name, "as they are")
    return list(algorithms_of(R.problem(A, y)))


#: Every regulariser with all solvers that enter themselves for it, but for the one that has no minimum.
PAIRS = [(name, solver) for name in MINIMA for solver in solvers_of(name) if solver != "adapted"]


def solved(name: str, solver: str, scale: str, **settings):
    A, y, R, start, unit = posed(name, scale)
    kind = {"start": start} if hasattr(R, "G") else {}
    result = reconstruct(A, y, R, solver=solver, **kind, **settings)
    return result, result.objective / unit


def test_weights_that_follow_the_data_have_no_minimum_and_it_is_never_said():
    assert not solved("hard", "adapted", "as they are", max_iter=20)[0].converged.any()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("name", "solver"), PAIRS)
def test_what_says_converged_is_at_the_minimum(name, solver, scale):
    result, objective = solved(name, solver, scale)
    assert bool(result.converged.all())
    assert bool((objective >= least(name) * (1 - 1e-9)).all())
    assert torch.allclose(objective, least(name), rtol=1e-3, atol=0)


#: Settings with which a solver comes close to what float64 gives, and how close where a prox inside it, which is itself
#: an iteration, is known to 1e-5 or 1e-6 only.
TIGHT = {"direct": {}, "cg": {"tol": 1e-12}, "fista": {"tol": 1e-26, "max_iter": 5_000}}
ITERATES = ("paper", "reduced")
INEXACT = {("sparse-TV", "paper"): 1e-4, ("tv", "fista"): 1e-5, ("tv", "forward-backward"): 1e-5}


@pytest.mark.parametrize(("name", "solver"), PAIRS)
def test_with_a_small_tolerance_it_is_the_minimum(name, solver):
    iterates = solver in ITERATES and name != "tv"
    settings = TIGHT.get(solver, {"tol": 1e-17 if iterates else 1e-13, "max_iter": 20_000})
    _, objective = solved(name, solver, "as they are", **settings)
    assert torch.allclose(objective, least(name), rtol=INEXACT.get((name, solver), 1e-9), atol=0)
