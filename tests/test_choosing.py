"""Every rule for lambda against a case in which its answer is known."""

import pytest
import torch
from registry import OPERATORS, seeded

from course_utils import (
    TV,
    GaussianBlur,
    GeneratorConfig,
    Hard,
    Identity,
    Inpainting,
    KullbackLeibler,
    Tikhonov,
    build,
    load,
    measure,
    reconstruct,
)
from course_utils.choosing import (
    degrees_of_freedom,
    gcv,
    l_curve,
    morozov,
    oracle,
    solution_path,
    squared_noise,
    sure,
)
from course_utils.metrics import psnr
from course_utils.regularisers import ImageObjective
from course_utils.tuning import sweep

GRID = torch.logspace(-4, 1, 16, dtype=torch.float64)
SIGMA = 0.1


class Plain(Tikhonov):
    """Tikhonov without its closed form."""

    def problem(self, A, y, fidelity=None):
        return ImageObjective(A, y, self)


@pytest.fixture(scope="module")
def blurred():
    """A, truth and data of four digits, in float64."""
    A, x = GaussianBlur(28).double(), load("mnist").test[:4].double()
    return A, x, measure(A, x, SIGMA, seeded(1))


@pytest.fixture(scope="module")
def noisy():
    """The same part of a digit, 14 x 14 pixels, with 100 draws of the noise."""
    x = load("mnist").test[:1, :, 7:21, 7:21].double().expand(100, -1, -1, -1)
    A = Identity(14).double()
    return A, x, measure(A, x, SIGMA, seeded(2))


# The path


def test_a_path_is_what_single_runs_find(blurred):
    A, _, y = blurred
    path = solution_path(A, y, Tikhonov, [1.0, 0.01])
    assert path.lam.tolist() == [0.01, 1.0] and path.x.shape == (2, 4, 1, 28, 28)
    alone = solution_path(A, y[2:3], Tikhonov, [0.01, 1.0])
    assert torch.allclose(alone.x[:, 0], path.x[:, 2], atol=1e-12)
    assert torch.allclose(path.residual, (A(path.result.x) - y.repeat(2, 1, 1, 1)).pow(2).sum((1, 2, 3)).reshape(2, 4))
    assert torch.allclose(path.penalty(), path.x.pow(2).sum((2, 3, 4)))


def test_what_makes_no_path_is_named(blurred):
    A, _, y = blurred
    for lam in ([0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]):
        with pytest.raises(ValueError, match="'lam' must hold different numbers > 0"):
            solution_path(A, y, Tikhonov, lam)
    with pytest.raises(ValueError, match="'fidelity' must be the squared norm"):
        solution_path(A, y, TV, [0.1, 1.0], fidelity=KullbackLeibler())
    with pytest.raises(TypeError, match="'make' must be a function that gives a Regulariser"):
        solution_path(A, y, lambda lam: lam, [0.1, 1.0])


def test_starts_and_first_images_follow_their_problems():
    G = build(GeneratorConfig("ae", 2), seed=0).double().freeze()
    A, z = Identity(28).double(), torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    path = solution_path(A, G(z), lambda lam: Hard(G, lam), [1e-6, 1e-5], start=z, max_iter=0)
    assert torch.allclose(path.x[1], G(z))
    first = torch.rand(2, 1, 28, 28, generator=seeded()).double()
    path = solution_path(A, first, TV, [1e-9, 1e-8], x0=first, max_iter=0)
    assert torch.allclose(path.x[1], first)


def test_what_did_not_converge_is_counted(blurred):
    A, _, y = blurred
    path = solution_path(A, y, TV, [0.01, 0.1], max_iter=5)
    freedom = degrees_of_freedom(path, seeded())
    choice = gcv(path, freedom)
    assert choice.unconverged.tolist() == [4] * 4 and choice.reconstructions == 16
    assert choice.row()["unconverged"] == 16 and choice.row()["chosen_unconverged"] == 4


# Morozov


def test_the_noise_is_as_large_as_expected():
    mean, std = squared_noise(50, 0.3)
    e = 0.3 * torch.randn(20_000, 50, generator=seeded(), dtype=torch.float64)
    square = e.pow(2).sum(1)
    assert float(square.mean()) == pytest.approx(mean, rel=0.01) and float(square.std()) == pytest.approx(std, rel=0.03)
    assert squared_noise(10, 1e-9)[0] == pytest.approx(1e-17)


def test_the_discrepancy_principle_in_closed_form():
    """A = I, Tikhonov: the residual is (lam / (1 + lam))^2 ||y||^2; each problem has its own noise level."""
    y = torch.randn(5, 1, 8, 8, generator=seeded(3), dtype=torch.float64)
    sigma = torch.tensor([0.05, 0.1, 0.3, 0.5, 0.7], dtype=torch.float64)
    path = solution_path(Identity(8).double(), y, Tikhonov, [0.01, 1.0, 100.0])
    choice = morozov(path, sigma, tau=1.1, tol=1e-10)
    ratio = (1.1 * 64 * sigma**2 / y.pow(2).sum((1, 2, 3))).sqrt()
    assert torch.allclose(choice.lam, ratio / (1 - ratio), rtol=1e-8) and bool(choice.solved.all())
    assert choice.reconstructions <= 15 + 5 * 8  # bisection would take 30 for each
    assert torch.allclose(choice.result.x, y / (1 + choice.lam[:, None, None, None]))


@pytest.mark.parametrize("make", [Tikhonov, TV])
def test_morozov_leaves_the_residual_of_the_noise(blurred, make):
    A, y = blurred[0], blurred[2][:2]
    path = solution_path(A, y, make, [0.01, 0.1, 1.0])
    choice = morozov(path, SIGMA)
    residual = (A(choice.result.x) - y).pow(2).sum((1, 2, 3))
    assert torch.allclose(residual, choice.curves["level"][0], rtol=1.001e-3) and bool(choice.solved.all())
    assert not bool(choice.at_edge.any())
    alone = morozov(solution_path(A, y[1:], make, [0.01, 0.1, 1.0]), SIGMA)
    assert torch.allclose(alone.lam[0], choice.lam[1]) and torch.allclose(alone.result.x[0], choice.result.x[1])


@pytest.mark.parametrize("grid", [[1e-4, 1e-3], [1.0, 2.0]])
def test_a_grid_beside_the_solution_is_left_and_that_is_said(blurred, grid):
    A, _, y = blurred
    choice = morozov(solution_path(A, y, Tikhonov, grid), SIGMA)
    inside = morozov(solution_path(A, y, Tikhonov, GRID), SIGMA)
    assert bool(choice.at_edge.all()) and bool(choice.solved.all())
    assert torch.allclose(choice.lam, inside.lam, rtol=0.02)


def test_a_level_that_no_lambda_reaches_is_named():
    A = OPERATORS["more data than pixels"]().double()
    y = torch.randn(3, 200, generator=seeded(4), dtype=torch.float64)
    path = solution_path(A, y, Tikhonov, GRID)
    with pytest.raises(ValueError, match=r"'sigma' and 'tau' .* for 3 of 3 problems: .* squared residual is between"):
        morozov(path, 0.1)  # there is no x with so small a residual
    with pytest.raises(ValueError, match="for 1 of 3 problems"):
        morozov(path, torch.tensor([0.9, 0.9, 3.0], dtype=torch.float64))  # more than ||y||^2
    with pytest.raises(ValueError, match="'sigma' must be > 0"):
        morozov(path, 0.0)
    assert bool(morozov(path, 0.9).solved.all())


def test_a_jump_of_the_residual_is_not_called_solved():
    """A rule without a solution: the reconstruction jumps from y / 2 to 0 at lam = 0.3."""

    class Jump(Tikhonov):
        def __init__(self, lam):
            super().__init__(torch.where(lam < 0.3, 1.0, 1e9).to(lam))

    y = torch.ones(2, 1, 8, 8, dtype=torch.float64)
    choice = morozov(solution_path(Identity(8).double(), y, Jump, [0.1, 1.0]), 0.8)
    assert not bool(choice.solved.any()) and choice.row()["unsolved"] == 2


# Degrees of freedom, cross-validation, Stein


@pytest.mark.parametrize("name", ["blur", "compressed sensing", "Fourier, spokes", "tomography"])
def test_the_trace_is_exact_for_tikhonov(name):
    A = OPERATORS[name]().double()
    y = torch.randn(2, *A.shape_out, generator=seeded(5), dtype=torch.float64)
    path = solution_path(A, y, Tikhonov, [0.01, 0.1])
    freedom = degrees_of_freedom(path)
    M = A.matrix()
    for k, lam in enumerate((0.01, 0.1)):
        influence = M @ torch.linalg.solve(M.T @ M + lam * torch.eye(A.n).double(), M.T)
        assert freedom.value[k].tolist() == pytest.approx([float(influence.trace())] * 2)
        score = (y.flatten(1) - y.flatten(1) @ influence.T).pow(2).sum(1) / A.m / (1 - influence.trace() / A.m) ** 2
        assert torch.allclose(gcv(path, freedom).curves["gcv"][k], score)
    assert freedom.exact and freedom.reconstructions == 0 and not freedom.error.any()


def test_random_signs_find_the_trace(blurred):
    A, _, y = blurred
    exact = degrees_of_freedom(solution_path(A, y[:1], Tikhonov, GRID[6::3]))
    path = solution_path(A, y[:1], Plain, GRID[6::3], tol=1e-10)
    drawn = degrees_of_freedom(path, seeded(6), draws=8)
    assert not drawn.exact and drawn.reconstructions == 8 * 4
    assert bool(((drawn.value - exact.value).abs() < 4 * drawn.error + 1e-3).all())
    one = degrees_of_freedom(path, seeded(6))
    assert bool(one.error.isnan().all())
    beside = solution_path(A, torch.cat([5 * y[1:2], y[:1]]), Plain, GRID[6::3], tol=1e-10)
    assert torch.allclose(degrees_of_freedom(beside, seeded(6)).value[:, 1], one.value[:, 0], rtol=1e-4)
    with pytest.raises(TypeError, match="'generator' must be a torch.Generator where"):
        degrees_of_freedom(path)


def test_leaving_out_a_datum_is_cross_validation():
    """A = I treats all data alike, and then GCV is leave-one-out itself: without its datum a pixel is 0."""
    n, lam = 16, 0.5
    y = torch.randn(1, 1, 4, 4, generator=seeded(7), dtype=torch.float64)
    path = solution_path(Identity(4).double(), y, Tikhonov, [lam, 1.0])
    left_out = 0.0
    for i in range(n):
        without = torch.eye(n)[i].reshape(4, 4) == 0
        found = reconstruct(Inpainting(without).double(), y[0, 0][without][None], Tikhonov(lam)).x
        left_out += float((y - found).flatten()[i] ** 2) / n
    assert float(gcv(path, degrees_of_freedom(path)).curves["gcv"][0]) == pytest.approx(left_out)


def test_cross_validation_refuses_reconstructions_that_fit_all_data():
    y = torch.ones(1, 1, 4, 4)
    path = solution_path(Identity(4), y, Tikhonov, [1e-12, 1e-11])
    with pytest.raises(ValueError, match="'freedom' must be less than the number of data 16"):
        gcv(path, degrees_of_freedom(path))
    other = degrees_of_freedom(solution_path(Identity(4), y, Tikhonov, [0.1, 1.0, 2.0]))
    with pytest.raises(ValueError, match="'freedom' must be of the same solutions"):
        gcv(path, other)


@pytest.mark.parametrize("make", [Tikhonov, TV])
def test_the_estimated_risk_is_the_risk_on_average(noisy, make):
    """Over 100 draws of the noise; the error of the random signs is common to them and comes on top."""
    A, x, y = noisy
    path = solution_path(A, y, make, [0.03, 0.1, 0.3])
    freedom = degrees_of_freedom(path, seeded(8), draws=3)
    estimate = sure(path, SIGMA, freedom).curves["sure"]
    risk = (path.x - x).pow(2).sum((2, 3, 4))
    difference = estimate - risk
    error = torch.hypot(difference.std(1) / 100**0.5, 2 * SIGMA**2 * freedom.error.mean(1))
    assert bool((difference.mean(1).abs() < 4 * error).all())
    # and that tells the weights apart
    assert bool((estimate.mean(1).argsort() == risk.mean(1).argsort()).all())
    assert float((error / risk.mean(1)).max()) < 0.1


def test_stein_and_cross_validation_come_near_the_oracle(blurred):
    """Tikhonov: of the predicted data, in squared error, at most 10 % worse than the best weight."""
    A, x, y = blurred
    path = solution_path(A, y, Tikhonov, torch.logspace(-4, 1, 41))
    freedom = degrees_of_freedom(path)
    risk = (A(path.result.x).unflatten(0, (41, 4)) - A(x)).pow(2).sum((2, 3, 4))
    for choice in (sure(path, SIGMA, freedom), gcv(path, freedom)):
        found = (A(choice.result.x) - A(x)).pow(2).sum((1, 2, 3))
        assert bool((found < 1.1 * risk.min(0).values).all()) and not bool(choice.at_edge.any())


# L-curve and oracle


def test_the_curvature_is_that_of_the_curve(blurred):
    """Against derivatives of the closed form."""
    A, _, y = blurred
    grid = torch.logspace(-3, 0, 61, dtype=torch.float64)
    curvature = l_curve(solution_path(A, y[:1], Tikhonov, grid), window=5).curves["curvature"][:, 0]
    basis = A.spectrum()
    S, c = basis.S, basis.of_data(y[:1])[0]
    outside = y[0].pow(2).sum() - c.pow(2).sum()

    def curve(t):
        lam = t.exp()
        rho = ((lam / (S**2 + lam) * c) ** 2).sum() + outside
        return torch.stack([rho.log(), ((S * c / (S**2 + lam)) ** 2).sum().log()])

    for k in (10, 30, 50):
        t, h = grid[k].log(), 1e-3
        before, here, after = curve(t - h), curve(t), curve(t + h)
        first, second = (after - before) / (2 * h), (after - 2 * here + before) / h**2
        exact = (first[0] * second[1] - second[0] * first[1]) / first.pow(2).sum() ** 1.5
        assert float(curvature[k]) == pytest.approx(float(exact), rel=0.02)


def test_the_corner_is_where_a_finer_grid_finds_it_and_an_end_is_said(blurred):
    A, _, y = blurred
    fine = l_curve(solution_path(A, y, Tikhonov, torch.logspace(-3, 0.5, 71)))
    coarse = l_curve(solution_path(A, y, Tikhonov, torch.logspace(-3, 0.5, 22)))
    assert not bool(fine.at_edge.any()) and bool(((fine.lam / coarse.lam).log().abs() < 0.5).all())
    assert int(fine.curves["curvature"].isnan().sum()) == 4 * 4
    short = l_curve(solution_path(A, y, Tikhonov, torch.logspace(-0.5, 1, 11)))
    assert bool(short.at_edge.all())


def test_images_without_edges_are_no_candidates(blurred):
    """Of large weights TV leaves constants, and log TV is round-off."""
    A, _, y = blurred
    path = solution_path(A, y[:2], TV, torch.logspace(-2, 4, 13))
    choice = l_curve(path, window=3)
    flat = path.penalty() < 1e-6 * path.penalty().amax(0)
    assert bool(flat[-1].all()) and bool(choice.curves["curvature"][flat].isnan().all())
    assert bool((choice.lam < 10).all())
    with pytest.raises(ValueError, match="'solutions' must have 3 neighbouring weights"):
        l_curve(solution_path(A, torch.zeros_like(y), Tikhonov, GRID[:5]), window=3)
    with pytest.raises(ValueError, match="'window' must be odd"):
        l_curve(path, window=17)


def test_the_oracle_is_the_best_of_all(blurred):
    A, x, y = blurred
    path = solution_path(A, y, Tikhonov, GRID)
    each, mean = oracle(path, x), oracle(path, x, each=False)
    scores = torch.stack([psnr(images, x) for images in path.x])
    assert torch.equal(psnr(each.result.x, x), scores.amax(0)) and torch.equal(each.lam, path.lam[scores.argmax(0)])
    assert mean.lam.tolist() == [sweep(A, y, x, Tikhonov, GRID.tolist()).best["lam"]] * 4
    assert bool(oracle(solution_path(A, y, Tikhonov, [1.0, 10.0]), x).at_edge.all())
