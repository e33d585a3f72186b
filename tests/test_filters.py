"""Spectral filters are what their methods do, and errors fall as the theorem says."""

import math

import pytest
import torch
from registry import OPERATORS, seeded

from course_utils import GaussianBlur, GaussianMatrix, Tikhonov, dot_test, measure, reconstruct
from course_utils.filters import (
    cg_filter,
    convergence_rate,
    filtered,
    landweber_filter,
    tikhonov_filter,
    truncated_filter,
)
from course_utils.operators import LinearOperator


class Diagonal(LinearOperator):
    """Pixel j times d_j."""

    def __init__(self, d: torch.Tensor) -> None:
        size = math.isqrt(len(d))
        super().__init__((1, size, size), (1, size, size), scale=1.0, norm=float(d.max()))
        self.register_buffer("d", d.reshape(1, size, size))

    def _forward(self, x):
        return self.d * x

    _adjoint = _forward


#: Singular values 1 / j; the decomposition is kept.
POWER = Diagonal(torch.arange(1, 1025, dtype=torch.float64) ** -1.0)
SPECTRAL = ("blur", "compressed sensing", "more data than pixels", "tomography", "Fourier, spokes", "composed")


def problem(name: str):
    A = OPERATORS[name]().double()
    x = torch.rand(3, *A.shape_in, generator=seeded(1), dtype=torch.float64)
    return A, measure(A, x, 0.05, seeded(2))


@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.parametrize("steps", [0, 1, 7, 60])
def test_landweber_is_its_filter(name, steps):
    A, y = problem(name)
    step = 1.7 / A.norm**2
    x = torch.zeros(3, *A.shape_in, dtype=torch.float64)
    for _ in range(steps):
        x = x + step * A.T(y - A(x))
    assert torch.allclose(filtered(A, y, landweber_filter(A.spectrum().S, steps, step)), x, atol=1e-10)


def test_landweber_is_its_filter_in_single_precision_too():
    A = OPERATORS["blur"]()
    y = measure(A, torch.rand(3, *A.shape_in, generator=seeded(1)), 0.05, seeded(2))
    x = torch.zeros(3, *A.shape_in)
    for _ in range(30):
        x = x + A.T(y - A(x))
    found = filtered(A, y, landweber_filter(A.spectrum().S, 30, 1.0))
    assert float((found - x).norm() / x.norm()) < 1e-6


def test_landweber_keeps_its_digits_where_singular_values_are_tiny_and_steps_are_many():
    S = torch.tensor([1e-9, 1e-5, 1.0], dtype=torch.float64)
    found = landweber_filter(S, 1_000_000, 1.0)
    assert found.tolist() == pytest.approx([1e-12, 1 - math.exp(-1e-4), 1.0], rel=1e-6)
    single = landweber_filter(S.float(), 1_000_000, 1.0)
    assert torch.allclose(single.double(), found, rtol=1e-5)


@pytest.mark.parametrize("name", SPECTRAL)
def test_tikhonov_is_its_filter_also_for_several_weights(name):
    A, y = problem(name)
    lam = torch.tensor([0.3, 0.01, 0.1], dtype=torch.float64)
    x = reconstruct(A, y, Tikhonov(lam), solver="cg", tol=1e-13, max_iter=2000).x
    assert torch.allclose(filtered(A, y, tikhonov_filter(A.spectrum().S, lam)), x, atol=1e-9)


def test_truncation_keeps_the_largest():
    A, y = problem("compressed sensing")
    U, S, Vh = torch.linalg.svd(A.matrix(), full_matrices=False)
    x = y @ (U[:, :10] / S[:10] @ Vh[:10])
    assert torch.allclose(filtered(A, y, truncated_filter(A.spectrum().S, float(S[9]) * (1 - 1e-12))).flatten(1), x)
    phi = truncated_filter(S, S[[0, 4]])
    assert phi.sum(1).tolist() == [1, 5]


def krylov(matrix, right, steps):
    """The least residual solution in the Krylov space, by a dense orthogonal basis; and its Ritz values."""
    basis = [right / right.norm()]
    for _ in range(steps - 1):
        v = matrix @ basis[-1]
        for _ in range(2):
            v = v - sum((v @ b) * b for b in basis)
        basis.append(v / v.norm())
    Q = torch.stack(basis, 1)
    H = Q.T @ matrix @ Q
    return Q @ torch.linalg.solve(H, Q.T @ right), torch.linalg.eigvalsh(H)


@pytest.mark.parametrize("name", ["blur", "compressed sensing", "tomography"])
@pytest.mark.parametrize("steps", [1, 2, 6])
def test_cg_is_its_filter_and_the_filter_is_made_of_ritz_values(name, steps):
    A, y = problem(name)
    phi, S = cg_filter(A, y, steps), A.spectrum().S
    x = filtered(A, y, phi).flatten(1)
    matrix = A.matrix().T @ A.matrix()
    for i in range(len(y)):
        expected, ritz = krylov(matrix, A.T(y[i : i + 1]).flatten(), steps)
        assert torch.allclose(x[i], expected, atol=1e-8)
        assert torch.allclose(phi[i], 1 - (1 - S[:, None] ** 2 / ritz).prod(1), atol=1e-7)


def test_cg_of_the_solver_is_the_filter_too():
    A, y = problem("blur")
    found = reconstruct(A, y, Tikhonov(0.0), solver="cg", max_iter=8, tol=0.0).x
    assert torch.allclose(filtered(A, y, cg_filter(A, y, 8)), found, atol=1e-9)


def test_cg_stops_at_the_solution_and_neighbours_change_nothing():
    A, y = problem("blur")
    y = torch.cat([y, torch.zeros_like(y[:1]), A(torch.zeros_like(y[:1]))])
    phi = cg_filter(A, y, 400)
    assert bool(torch.isfinite(phi).all())
    assert torch.allclose(cg_filter(A, y[1:2], 5)[0], cg_filter(A, y, 5)[1], atol=1e-12)
    ones = Diagonal(torch.ones(16, dtype=torch.float64))
    assert torch.allclose(cg_filter(ones, torch.ones(1, 1, 4, 4).double(), 9), torch.ones(1, 16).double())


@pytest.mark.parametrize("method", ["tikhonov", "truncated", "landweber"])
@pytest.mark.parametrize("nu", [0.25, 0.5, 1.0, 2.0])
def test_the_error_falls_as_the_theorem_says(method, nu):
    """On singular values 1 / j; the discrete spectrum alone keeps slopes from the exponents."""
    order = min(nu, 1.0) if method == "tikhonov" else nu
    last = max(3 * 1024.0 ** -(2 * order + 1), 1e-6)
    deltas = torch.logspace(-1, math.log10(last), 12, dtype=torch.float64)
    rate = convergence_rate(POWER, method, nu, deltas)
    assert rate.theorem == pytest.approx(2 * order / (2 * order + 1))
    assert rate.slope == pytest.approx(rate.theorem, abs=0.05)
    drawn = convergence_rate(POWER, method, nu, deltas, generator=seeded(3))
    assert bool((drawn.errors <= rate.errors * (1 + 1e-12)).all())


def test_tikhonov_saturates_and_landweber_does_not():
    slopes = {m: convergence_rate(POWER, m, 3.0, [1e-1, 1e-2, 1e-3, 1e-4]).slope for m in ("tikhonov", "landweber")}
    assert slopes["tikhonov"] < 0.7 and slopes["landweber"] > 0.75


def test_an_error_of_the_rate_is_that_of_an_actual_reconstruction():
    A = GaussianBlur(12, width=9, std=1.5).double()
    w = torch.randn(1, 1, 12, 12, generator=seeded(4), dtype=torch.float64)
    rate = convergence_rate(A, "tikhonov", 1.0, [0.1, 0.01], w=w)
    basis = A.spectrum()
    x = A.T(A(w / w.norm()))  # (A*A)^1 w
    for delta, lam, error in zip(rate.deltas, rate.parameters, rate.errors, strict=True):
        S = basis.S
        j = int((S / (S**2 + lam)).argmax())
        e = A(basis.image(torch.eye(len(S), dtype=S.dtype)[j : j + 1])) / S[j]
        found = [(reconstruct(A, A(x) + s * delta * e, Tikhonov(float(lam))).x - x).norm() for s in (1, -1)]
        middle = (sum(f**2 for f in found) / 2).sqrt()  # the mixed term has either sign
        assert float(middle) == pytest.approx(float(error), rel=1e-8)


def test_noise_that_the_spectrum_does_not_resolve_is_refused():
    A = Diagonal(torch.arange(1, 65, dtype=torch.float64) ** -1.0)
    with pytest.raises(ValueError, match="'deltas' must lie between"):
        convergence_rate(A, "tikhonov", 0.5, [0.1, 1e-9])
    with pytest.raises(ValueError, match="'deltas' must hold two different"):
        convergence_rate(A, "tikhonov", 0.5, [0.1, 0.1])
    with pytest.raises(ValueError, match="'w' must not be 0"):
        convergence_rate(A, "tikhonov", 0.5, [0.1, 0.05], w=torch.zeros(1, 1, 8, 8).double())
    assert dot_test(A) < 1e-14


def test_a_step_that_diverges_and_an_operator_that_is_too_large_are_named():
    S = torch.tensor([2.0, 1.0])
    with pytest.raises(ValueError, match=r"'step' must be less than 2 / \|\|A\|\|\^2 = 0.5"):
        landweber_filter(S, 3, 0.5)
    large = GaussianMatrix(2, 8, seeded())
    large.shape_in, large.shape_out = (1, 20_000, 20_000), (20_000,)
    for call in (lambda: cg_filter(large, torch.ones(1, 2), 3), lambda: filtered(large, torch.ones(1, 2), S)):
        with pytest.raises(ValueError, match="'A' must be small enough"):
            call()
