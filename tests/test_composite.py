"""Classical regularisers: their maps, proximal operators, bounds, and solvers that reach one minimum."""

import math

import pytest
import scipy.sparse
import torch

from course_utils import H1, L1, TGV, TV, GaussianBlur, GaussianMatrix, KullbackLeibler, Tikhonov, Wavelets, reconstruct
from course_utils.operators import Identity, LinearOperator
from course_utils.regularisers.tgv import symmetrised

SIZE = 16
MAKERS = {
    "Tikhonov": Tikhonov,
    "H1": H1,
    "L1": L1,
    "wavelets": lambda lam, **settings: Wavelets(lam, "db2", **settings),
    "TV": TV,
    "anisotropic TV": lambda lam, **settings: TV(lam, isotropic=False, **settings),
    "TGV": TGV,
}
NONNEGATIVE = {"bounds": (0, math.inf)}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def blocks(n=2):
    """Images of a square and a ramp, with negative grey values around."""
    x = torch.full((n, 1, SIZE, SIZE), -0.2, dtype=torch.float64)
    x[:, :, 3:9, 4:12] = 1.0
    x[:, :, 10:15, 2:14] = torch.linspace(0, 1, 12, dtype=torch.float64)
    return x


@pytest.mark.parametrize("name", MAKERS)
def test_the_adjoint_is_exact_and_the_norm_is_bounded(name):
    R = MAKERS[name](0.1)
    v = random(3, R.channels, SIZE, SIZE)
    k = R.K(v)
    q = random(*k.shape, seed=1)
    assert torch.allclose((k * q).sum(), (v * R.KT(q)).sum(), rtol=1e-12)
    for _ in range(200):
        v = R.KT(R.K(v / v.norm()))
    assert 0.8 * R.norm_squared < float(v.norm()) <= R.norm_squared * (1 + 1e-12)


@pytest.mark.parametrize("bounds", [None, (0, math.inf)])
@pytest.mark.parametrize("name", MAKERS)
def test_the_prox_is_a_minimiser(name, bounds):
    """No image near by is better, nor is one on the way to others that are likely."""
    R, tau = MAKERS[name](7.0, bounds=bounds), torch.tensor([0.05, 0.4], dtype=torch.float64)
    x = (blocks() + 0.1 * random(2, 1, SIZE, SIZE))[..., 4:, 4:]
    settings = {} if R.closed_prox else {"tol": 1e-8}
    found = R.prox(x, tau, **settings)

    likely = (x, torch.zeros_like(x), x.mean((2, 3), keepdim=True).expand_as(x))
    near = [found + step * random(*x.shape, seed=seed) for seed in range(6) for step in (1e-3, 1e-1)]
    near += [found + 0.01 * (other - found) for other in likely]
    v = torch.stack([found, *map(R.nearest, near)])  # in one batch, because R of TGV is a problem of its own
    energies = R(v.flatten(0, 1)).reshape(v.shape[:2]) + (v - x).flatten(2).pow(2).sum(2) / (2 * tau)
    assert torch.isfinite(energies).all() and (energies >= energies[0] * (1 - 1e-5)).all()
    assert torch.allclose(R.prox(x[1:], 0.4, **settings), found[1:], atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_bounds_hold_and_do_nothing_where_they_are_wide(name):
    A = GaussianBlur(SIZE).double()
    y = A(blocks()) + 0.02 * random(2, 1, SIZE, SIZE)
    tight = reconstruct(A, y, MAKERS[name](0.02, **NONNEGATIVE), "pdhg", tol=1e-7)
    assert float(tight.x.min()) == 0.0 and tight.converged.all()
    free, wide = (
        reconstruct(A, y, MAKERS[name](0.02, bounds=b), "pdhg", tol=1e-7, max_iter=20_000) for b in (None, (-5, 5))
    )
    assert torch.allclose(free.x, wide.x, atol=1e-4)
    assert (free.objective <= tight.objective * (1 + 1e-6)).all()
    assert R_outside(name) == math.inf


def R_outside(name):
    return float(MAKERS[name](0.1, **NONNEGATIVE)(blocks(1)))


@pytest.mark.parametrize("bounds", [None, (0, 1)])
@pytest.mark.parametrize("name", MAKERS)
def test_all_solvers_reach_one_objective(name, bounds):
    A, R = GaussianMatrix(120, SIZE, seeded(0)).double(), MAKERS[name](0.05, bounds=bounds)
    y = A(blocks()) + 0.02 * random(2, 120)
    settings = {
        "pdhg": {"tol": 1e-8, "max_iter": 5_000}, "admm": {"tol": 1e-8, "max_iter": 2_000},
        "fista": {"tol": 1e-10}, "forward-backward": {"tol": 1e-10},
    }  # fmt: skip
    if not R.closed_prox and (name != "TV" or bounds):  # the prox is a problem of its own
        settings = {k: v for k, v in settings.items() if k in ("pdhg", "admm")}
    found = {s: reconstruct(A, y, R, s, **more) for s, more in settings.items()}
    least = torch.stack([r.objective for r in found.values()]).amin(0)
    for solver, result in found.items():
        assert result.converged.all(), solver
        assert (result.objective <= least * (1 + 1e-5)).all(), (solver, result.objective / least - 1)


def test_tgv_is_zero_on_affine_images_and_tv_on_constant_ones():
    pixels = torch.arange(SIZE, dtype=torch.float64)
    i, j = torch.meshgrid(pixels, pixels, indexing="ij")
    affine = (0.3 * i - 0.7 * j + 2)[None, None]
    assert float(TGV(1.0)(affine)) < 1e-10 < 1 < float(TV(1.0)(affine))
    assert float(symmetrised(TGV(1.0).K(torch.cat([affine, 0 * affine, 0 * affine], 1))[:, :2]).abs().max()) < 1e-12
    bent = affine + (i > 7) * 0.5 * (i - 7)
    assert 1 < float(TGV(1.0)(bent)) < float(TV(1.0)(bent))
    x = affine / affine.abs().max()
    A = Identity(SIZE).double()
    y = x + 0.1 * random(1, 1, SIZE, SIZE)
    errors = [
        float((reconstruct(A, y, R, tol=1e-7, max_iter=20_000).x - x).norm()) for R in (TGV(1.0), TV(0.3), TV(1.0))
    ]
    assert errors[0] < 0.3 * min(errors[1:])


@pytest.mark.parametrize("lam", [0.05, 0.5])
def test_tgv_agrees_with_a_cone_solver(lam):
    cvxpy = pytest.importorskip("cvxpy")
    n, beta = SIZE, 2.0
    y = blocks(1) + 0.1 * random(1, 1, n, n)
    R = TGV(lam, beta)
    result = reconstruct(Identity(n).double(), y, R, tol=1e-8, max_iter=20_000)
    # K as matrices, by columns
    unit = torch.eye(3 * n * n, dtype=torch.float64).reshape(-1, 3, n, n)
    K = [scipy.sparse.csr_array(part) for part in R.K(unit).reshape(3 * n * n, 5, n * n).permute(1, 2, 0).numpy()]
    v = cvxpy.Variable(3 * n * n)
    k = [K[c] @ v for c in range(5)]
    energy = cvxpy.sum_squares(v[: n * n] - y.flatten().numpy())
    energy += lam * cvxpy.sum(cvxpy.norm(cvxpy.vstack(k[:2]), axis=0))
    energy += lam * beta * cvxpy.sum(cvxpy.norm(cvxpy.vstack(k[2:]), axis=0))
    least = cvxpy.Problem(cvxpy.Minimize(energy)).solve(solver="CLARABEL")
    assert 0 <= float(result.objective[0]) - least + 1e-7 * least < 1e-4 * least
    assert abs(float(R(result.x, tol=1e-7)[0]) * lam + float((result.x - y).pow(2).sum()) - least) < 1e-4 * least


def test_wavelets_are_orthogonal_and_those_of_pywavelets():
    pywt = pytest.importorskip("pywt")
    R, x = Wavelets(1.0, "db4", levels=2), random(2, 1, 32, 64)
    assert torch.allclose(R.KT(R.K(x)), x) and torch.allclose(R.K(x).norm(), x.norm())
    coefficients = pywt.wavedec2(x[0, 0].numpy(), "db4", mode="periodization", level=2)
    theirs, _ = pywt.coeffs_to_array(coefficients)
    assert torch.allclose(R.K(x)[0, 0], torch.from_numpy(theirs))
    constant = torch.full((1, 1, 32, 32), 3.0)
    assert float(Wavelets(1.0)(constant)) < 1e-3 and torch.allclose(Wavelets(1.0).prox(constant, 5.0), constant)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Wavelets(1.0, "bior2.2"), "'wavelet' must be an orthogonal one"),
        (lambda: Wavelets(1.0, "daubechies"), "'wavelet' must be an orthogonal one"),
        (lambda: Wavelets(1.0, "db4")(torch.ones(1, 1, 15, 16)), "'wavelet' = 'db4' .* even sides"),
        (lambda: Wavelets(1.0, "db10")(torch.ones(1, 1, 16, 16)), "'wavelet' = 'db10' .* at least 38 pixels"),
        (lambda: Wavelets(1.0, "haar", levels=3)(torch.ones(1, 1, 28, 28)), "'levels' = 3 .* divisible by 8"),
        (lambda: TGV(0.1, beta=0.0), "'beta'"),
        (lambda: TV(0.1, bounds=(1, 0)), "'bounds'"),
        (lambda: TV(0.1, bounds=3), "'bounds'"),
        (lambda: H1(0.1, bounds=("a", 1)), "'bounds'"),
        (lambda: TV(0.1, isotropic="no"), "'isotropic'"),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


class Half(LinearOperator):
    """Sees the left half of the image only: data of the right half are 0."""

    def __init__(self, size):
        super().__init__((1, size, size), (1, size, size), scale=1.0, norm=1.0)
        mask = torch.zeros(size, size, dtype=torch.float64)
        mask[:, : size // 2] = 1
        self.register_buffer("mask", mask)

    def _forward(self, x):
        return self.mask * x

    _adjoint = _forward


@pytest.mark.parametrize("name", MAKERS)
def test_counts_and_non_negativity(name):
    """With bounds the model of counts is never negative: the objective is finite and least."""
    A = GaussianBlur(SIZE).double()
    truth = 50 * blocks().clamp_min(0) + 1
    y = torch.poisson(A(truth) + 2.0, generator=seeded(0))
    R, F = MAKERS[name](0.02, **NONNEGATIVE), KullbackLeibler(background=2.0)
    found = {
        s: reconstruct(A, y, R, s, fidelity=F, **more)
        for s, more in {"pdhg": {"tol": 1e-6, "max_iter": 5_000}, "admm": {"tol": 1e-6}}.items()
    }
    for result in found.values():
        assert result.converged.all() and torch.isfinite(result.objective).all() and float(result.x.min()) >= 0
    a, b = (r.objective for r in found.values())
    assert torch.allclose(a, b, rtol=1e-4)
    x = found["pdhg"].x
    assert (F(A(x), y) + 0.02 * R(x) <= F(A(truth), y) + 0.02 * R(truth)).all()


def test_counts_where_none_can_be_are_named():
    A, y = Half(SIZE), torch.ones(1, 1, SIZE, SIZE, dtype=torch.float64)
    with pytest.raises(ValueError, match="'y' has counts in 128 places where A predicts none"):
        reconstruct(A, y, TV(0.1, **NONNEGATIVE), fidelity=KullbackLeibler())
    assert reconstruct(A, y, TV(0.1, **NONNEGATIVE), fidelity=KullbackLeibler(0.1)).objective.isfinite().all()
