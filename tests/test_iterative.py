"""Methods that are stopped in time: filters of Landweber and CG, stopping rules, Bregman's path, counts."""

import math

import pytest
import torch

from course_utils import GaussianBlur, GaussianMatrix, Identity, ParallelBeam, load, reconstruct
from course_utils.operators import MaskedFourier, dot_test, fbp
from course_utils.reconstructors import (
    CGLS,
    MLEM,
    OSEM,
    FilteredBackProjection,
    Landweber,
    LinearisedBregman,
    ZeroFilled,
)
from course_utils.regularisers import L1, EncoderDistance, KullbackLeibler, Wavelets


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def problem():
    """Blurred digits in float64, with their noise level."""
    A, x, sigma = GaussianBlur(28).double(), load("mnist").test[:3].double(), 0.05
    return A, A(x) + sigma * torch.randn(3, 1, 28, 28, generator=seeded(0), dtype=torch.float64), x, sigma


def nth(method, y, A, k):
    for number, (x, _) in enumerate(method.iterates(y, A)):
        if number == k:
            return x


@pytest.mark.parametrize("k", [1, 7, 60])
@pytest.mark.parametrize("step", [0.5, 1.0, 1.9])
def test_landweber_is_its_spectral_filter(problem, k, step):
    A, y, *_ = problem
    basis = A.spectrum()
    factor = (1 - (1 - step * (basis.S / A.norm) ** 2) ** k) / basis.S
    assert torch.allclose(nth(Landweber(step=step), y, A, k), basis.image(basis.of_data(y) * factor), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_cgls_is_the_best_in_its_krylov_space(problem, scale):
    A, y, *_ = problem
    A = scale * A
    M, b = A.matrix(), y.flatten(1)[0]
    vectors = [M.T @ b]
    for _ in range(4):
        vectors.append(M.T @ (M @ vectors[-1]))
    V = torch.linalg.qr(torch.stack([v / v.norm() for v in vectors], 1))[0]
    best = V @ torch.linalg.lstsq(M @ V, b[:, None]).solution
    x = nth(CGLS(), y, A, 5)
    assert torch.allclose(x[0].flatten(), best[:, 0], rtol=1e-6, atol=1e-8 / scale)


def test_accelerated_landweber_needs_about_the_root_of_the_steps(problem):
    A, y, _, sigma = problem
    level = 1.02 * A.m * sigma**2
    plain, fast, cg = (
        reconstruct(A, y, m)
        for m in (Landweber(5000, level), Landweber(5000, level, accelerated=True), CGLS(500, level))
    )
    for result in (plain, fast, cg):
        assert result.converged.all()
        assert ((A(result.x) - y).flatten(1).pow(2).sum(1) <= level * (1 + 1e-9)).all()
    assert (cg.iterations <= fast.iterations).all() and (fast.iterations < plain.iterations).all()
    assert (fast.iterations.double() < 3 * plain.iterations.double().sqrt() + 3).all()


def test_each_problem_stops_at_the_first_iterate_below_its_level(problem):
    A, y, *_ = problem
    levels = y.flatten(1).pow(2).sum(1) * torch.tensor([0.5, 0.1, 0.05], dtype=torch.float64)
    result = reconstruct(A, y, Landweber(2000, levels), trace=True)
    misfits = result.trace["f"][:, :, 0]
    for j, k in enumerate(result.iterations.tolist()):
        assert misfits[k, j] <= levels[j] < misfits[k - 1, j]
        alone = reconstruct(A, y[j : j + 1], Landweber(2000, float(levels[j])))
        assert alone.iterations.tolist() == [k] and torch.allclose(alone.x, result.x[j : j + 1], atol=1e-12)
    short = reconstruct(A, y, Landweber(3, levels))
    assert torch.equal(short.converged, (misfits[:4] <= levels).any(0)) and not short.converged.all()
    assert reconstruct(A, y, Landweber(3)).converged.all()


@pytest.mark.parametrize("method", [Landweber(), CGLS()])
def test_semi_convergence(problem, method):
    """The error falls, and rises again, while the misfit only falls."""
    A, y, x, _ = problem
    errors, misfits = [], []
    for k, (found, misfit) in enumerate(method.iterates(y, A)):
        errors.append((found - x).flatten(1).norm(dim=1))
        misfits.append(misfit)
        if k == 300:
            break
    errors, misfits = torch.stack(errors), torch.stack(misfits)
    assert (misfits.diff(dim=0) <= 1e-9 * misfits[:-1]).all()
    best = errors.argmin(0)
    assert (best > 0).all() and (best < 300).all() and (errors[-1] > 1.05 * errors.amin(0)).all()


def test_projected_landweber_stays_within_its_bounds(problem):
    A, y, *_ = problem
    x = Landweber(50, bounds=(0, 1))(y, A)
    assert float(x.min()) == 0.0 and float(x.max()) <= 1.0


def test_linearised_bregman_goes_from_simple_to_detailed(problem):
    A, y, x, _ = problem
    R = Wavelets(2.0, "db2")
    sizes, errors = [], []
    for k, (found, _) in enumerate(LinearisedBregman(R).iterates(y, A)):
        sizes.append(R(found))
        errors.append((found - x).flatten(1).norm(dim=1))
        if k == 800:
            break
    sizes, errors = torch.stack(sizes), torch.stack(errors)
    assert (sizes[0] < 1e-6).all() and (sizes[-1] > 1.2 * sizes[50]).all()
    assert (errors.amin(0) < 0.9 * errors[0]).all() and (errors.amin(0) < 0.9 * errors[-1]).all()


def test_linearised_bregman_finds_the_least_norm_without_noise():
    """Its limit minimises lam ||x||_1 + ||x||^2 / 2 among all that explain the data; for this lam that is the truth."""
    A = GaussianMatrix(40, 8, seeded(0)).double()
    truth = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    truth[0, 0, [1, 3, 6], [2, 5, 6]] = torch.tensor([1.0, 2.0, -1.5], dtype=torch.float64)
    y = A(truth)
    x = LinearisedBregman(L1(5.0), max_iter=3_000, level=1e-14, step=1.0)(y, A)
    assert torch.allclose(x, truth, atol=1e-4)


@pytest.fixture(scope="module")
def counts():
    """A PET-like problem: counts along lines through two shapes, with and without background."""
    A = 40.0 * ParallelBeam.full(28).double()
    x = torch.zeros(2, 1, 28, 28, dtype=torch.float64)
    x[0, 0, 6:16, 8:20], x[1, 0, 12:22, 5:12] = 1.0, 2.0
    return A, x, torch.poisson(A(x), generator=seeded(0)), torch.poisson(A(x) + 3.0, generator=seeded(1))


def test_mlem_increases_the_likelihood_and_keeps_the_counts(counts):
    A, _, y, with_background = counts
    for data, b in ((y, 0.0), (with_background, 3.0)):
        misfits = []
        for k, (x, misfit) in enumerate(MLEM(background=b).iterates(data, A)):
            assert float(x.min()) >= 0
            if b == 0 and k:
                assert torch.allclose(A(x).flatten(1).sum(1), data.flatten(1).sum(1), rtol=1e-10)
            misfits.append(misfit)
            if k == 40:
                break
        assert (torch.stack(misfits).diff(dim=0) < 0).all()
        assert torch.allclose(misfits[-1], KullbackLeibler(b)(A(x), data))


def test_ordered_subsets_are_about_as_many_times_faster(counts):
    A, x, y, _ = counts
    many = MLEM(24)(y, A)
    few = OSEM(4, subsets=6)(y, A)
    assert float((many - few).norm() / many.norm()) < 0.1
    one = OSEM(4, subsets=1)(y, A)
    assert torch.allclose(one, MLEM(4)(y, A), rtol=1e-10)


def test_mlem_stops_where_the_data_are_explained(counts):
    A, _, _, y = counts
    result = reconstruct(A, y, MLEM(500, level=0.55 * A.m, background=3.0))
    assert result.converged.all() and (result.iterations > 0).all() and (result.iterations < 200).all()


def test_views_are_rows_of_the_whole(counts):
    A, x, *_ = counts
    part = A.views([3, 0, 11])
    assert torch.equal(part(x), A(x)[:, [3, 0, 11]]) and dot_test(part) < 1e-13
    assert part.norm < A.norm
    inner = A.parts[0]
    assert torch.allclose(fbp(inner.views(range(inner.shape_out[0])), y=inner(x)), fbp(inner, inner(x)))
    for index in ([], [99], [-1], [0.5]):
        with pytest.raises((TypeError, ValueError), match="'index'"):
            A.views(index)


def test_formulas_are_methods_like_others(counts):
    A, x, *_ = counts
    found = reconstruct(A, A(x), FilteredBackProjection("hann"))
    assert found.objective is None and found.converged.all() and float((found.x - x).norm() / x.norm()) < 0.35
    mask = torch.rand(28, 28, generator=seeded(0)) < 0.6
    F = MaskedFourier(mask)
    digits = load("mnist").test[:2]
    assert reconstruct(F, F(digits), ZeroFilled()).x.shape == digits.shape
    with pytest.raises(TypeError, match="'A' must be a ParallelBeam"):
        reconstruct(Identity(28), digits, FilteredBackProjection())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda A, y: Landweber(step=2.0), r"'step' .* \(0, 2\)"),
        (lambda A, y: Landweber(step=1.5, accelerated=True), "'step'"),
        (lambda A, y: Landweber(-1), "'max_iter'"),
        (lambda A, y: CGLS(level=-1.0), "'level'"),
        (lambda A, y: LinearisedBregman(EncoderDistance), "'R'"),
        (lambda A, y: MLEM()(-y, A), "'y'"),
        (lambda A, y: MLEM(background=-1.0), "'background'"),
        (lambda A, y: MLEM()(y * math.nan, A), "'y'"),
        (lambda A, y: MLEM()(y + 1, A), "'y' has counts in .* places where A predicts none"),
        (lambda A, y: MLEM(background=100.0)(y, -1.0 * A), "'A' must have no negative entries"),
        (lambda A, y: OSEM(subsets=1000)(y, A), "'subsets'"),
        (lambda A, y: OSEM()(torch.ones(1, 1, 28, 28), Identity(28)), "'A' must have views"),
        (lambda A, y: reconstruct(A, y, FilteredBackProjection("triangle")), "'filter'"),
    ],
)
def test_what_does_not_fit_is_named(counts, call, words):
    A, _, y, _ = counts
    with pytest.raises((TypeError, ValueError), match=words):
        call(A, y)
