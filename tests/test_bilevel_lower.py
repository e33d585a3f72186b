"""The lower levels of bilevel learning: derivatives, constants, local bounds, and solvers that keep their promise."""

import math

import pytest
import torch
from registry import seeded

from course_utils import GaussianBlur, add_noise
from course_utils.bilevel import (
    FieldOfExperts,
    FourierSampling,
    HuberSignals,
    LineSampling,
    LowerLevel,
    SmoothTV,
    box_signals,
    solve_lower,
)
from course_utils.bilevel.smooth import bend, slope, steepness, twist

F64 = torch.float64


def pictures(n=2, size=6):
    return torch.rand(n, 1, size, size, generator=seeded(5), dtype=F64)


def signals(n=2, size=24):
    return add_noise(box_signals(n, seeded(6), size), 0.1, seeded(7))


def fourier():
    x = signals()
    noise = torch.randn(*x.shape, 2, generator=seeded(8), dtype=F64)
    return FourierSampling(torch.fft.fft(x, norm="ortho") + 0.05 * torch.view_as_complex(noise), nu=0.05)


def lines():
    x = pictures()
    noise = torch.randn(*x.shape, 2, generator=seeded(8), dtype=F64)
    return LineSampling(torch.fft.fft2(x, norm="ortho") + 0.05 * torch.view_as_complex(noise), nu=0.05)


def experts():
    return FieldOfExperts(pictures(), filters=3, size=3)


def blurred():
    A = GaussianBlur(6).double()
    return SmoothTV(A(pictures()), A)


#: A lower level and a theta of its own.
CASES = {
    "signals": lambda: (SmoothTV(signals()), torch.tensor([-0.5, -1.5, -2.0], dtype=F64)),
    "signals, one parameter": lambda: (SmoothTV(signals(), nu=0.05, xi=1e-3), torch.tensor([-0.5], dtype=F64)),
    "images": lambda: (SmoothTV(pictures()), torch.tensor([-1.0, -1.0, -1.0], dtype=F64)),
    "blurred images": lambda: (blurred(), torch.tensor([-1.0, -1.0, -1.0], dtype=F64)),
    "Fourier samples": lambda: (fourier(), torch.linspace(0.2, 0.8, 24, dtype=F64)),
    "lines of k-space": lambda: (lines(), torch.tensor([0.9, 0.0, 0.5, 1.0], dtype=F64)),
    "Huber": lambda: (HuberSignals(signals(), nu=0.05), torch.tensor([-0.5], dtype=F64)),
    "field of experts": lambda: (experts(), experts().initial(0.1, 0.1)),
}


@pytest.fixture(params=CASES)
def case(request):
    lower, theta = CASES[request.param]()
    return lower, theta, torch.randn(lower.start().shape, generator=seeded(9), dtype=F64) / 3


def columns(lower, x, theta):
    """A and B of the first example as matrices, by forward mode and by the definition."""
    one = lower.subset(torch.tensor([0]))
    gradient = lambda x, theta: torch.autograd.grad(one.value(x, theta).sum(), x, create_graph=True)[0]  # noqa: E731
    x, n = x[:1], x[:1].numel()
    A = torch.autograd.functional.jacobian(lambda v: gradient(v, theta), x.clone())
    B = torch.autograd.functional.jacobian(lambda t: gradient(x.clone().requires_grad_(), t), theta)
    return A.reshape(n, n), B.reshape(n, -1)


def test_derivatives_are_those_of_the_value(case):
    lower, theta, x = case
    at = x.clone().requires_grad_()
    expected = torch.autograd.grad(lower.value(at, theta).sum(), at)[0]
    assert torch.allclose(lower.grad(x, theta), expected, atol=1e-12)
    assert torch.allclose(LowerLevel.grad(lower, x, theta), expected, atol=1e-12)
    one, v = lower.subset(torch.tensor([0])), torch.randn(x[:1].shape, generator=seeded(1), dtype=F64)
    A, B = columns(lower, x, theta)
    second = one.linearise(x[:1], theta)
    assert torch.allclose(second.hvp(v).flatten(), A @ v.flatten(), atol=1e-10)
    assert torch.allclose(second.mixed(v), B.T @ v.flatten(), atol=1e-10)


def test_curvatures_lie_between_mu_and_L(case):
    lower, theta, x = case
    for at in (x, torch.zeros_like(x)):
        eigenvalues = torch.linalg.eigvalsh(columns(lower, at, theta)[0])
        mu, L = lower.constants(theta)
        assert mu <= eigenvalues.min() * (1 + 1e-9) and eigenvalues.max() <= L * (1 + 1e-9)
    assert eigenvalues.max() > L / 4  # at 0 the potential is as bent as it can be, so that L is no wild guess


@pytest.mark.parametrize("eps", [1e-3, 1e-1, 1.0])
def test_second_derivatives_move_no_more_than_they_say(case, eps):
    lower, theta, x = case
    q, radius = torch.randn(x.shape, generator=seeded(2), dtype=F64), torch.full((len(x),), eps, dtype=F64)
    A, B = columns(lower, x, theta)
    bounds = [
        f(*args)[0]
        for f, args in (
            (lower.hessian_change, (x, theta, q, radius)),
            (lower.mixed_change, (x, theta, q, radius)),
            (lower.mixed_norm, (x, theta, radius)),
        )
    ]
    nearest = 0.0
    for k in range(4):
        step = torch.randn(x.shape, generator=seeded(20 + k), dtype=F64)
        if k % 2:  # towards a constant, where the potential is most bent
            step = x.flatten(1).mean(1).reshape(-1, *[1] * (x.ndim - 1)) - x
        step = step * (eps / step.flatten(1).norm(dim=1)).reshape(-1, *[1] * (x.ndim - 1))
        A2, B2 = columns(lower, x + step, theta)
        found = (A2 - A) @ q[0].flatten(), (B2 - B).T @ q[0].flatten(), torch.linalg.matrix_norm(B2, 2)
        assert all(f.norm() <= b * (1 + 1e-9) for f, b in zip(found, bounds, strict=True))
        nearest = max(nearest, float(found[2] / bounds[2]))
    assert nearest > 1e-3


def derivatives(points, nu, vector):
    """Of slope at many points: the Hessian (n, c, c), the third derivative (n, c, c, c), and that by nu, (n, c, c)."""
    points = points.clone().requires_grad_()

    def by_points(fields):
        shape = fields.shape[1:]
        parts = [torch.autograd.grad(f.sum(), points, create_graph=True)[0] for f in fields.flatten(1).T]
        return torch.stack(parts, 1).reshape(len(points), *shape, -1)

    gradient = slope(points, nu, vector)
    hessian = by_points(gradient)
    h = 1e-5
    change = (slope(points, nu + h, vector) - slope(points, nu - h, vector)) / (2 * h) * nu
    return hessian.detach(), by_points(hessian).detach(), by_points(change).detach()


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("reach", [0.0, 0.02, 0.3])
def test_bounds_of_the_potential_are_its_suprema(vector, reach):
    """Against the largest value on a fine grid of the ball, by automatic differentiation."""
    nu, radius = torch.tensor(0.1, dtype=F64), torch.tensor([reach], dtype=F64)
    turn = torch.linspace(0, 2 * math.pi, 49, dtype=F64)
    circle = torch.stack([turn.cos(), turn.sin()], 1) if vector else torch.tensor([[1.0], [-1.0]], dtype=F64)
    for size in (0.0, 0.03, 0.06, 0.2):
        d = torch.zeros(1, 2 if vector else 1, dtype=F64)
        d[0, 0] = size
        points = d + (torch.linspace(0, reach, 41, dtype=F64)[:, None, None] * circle).reshape(-1, d.shape[1])
        hessian, third, by_nu = derivatives(points, nu, vector)
        second = float(torch.linalg.matrix_norm(hessian, 2).max())
        assert float(bend(d, nu, radius, vector).squeeze()) == pytest.approx(second, rel=0.02)
        moved = float(torch.linalg.matrix_norm(by_nu, 2).max())
        assert moved * (1 - 1e-6) <= float(steepness(d, nu, radius, vector).squeeze()) <= 3 * second
        # a symmetric form is as large as its largest value on the unit sphere
        largest = float(torch.einsum("nijk,ei,ej,ek->ne", third, circle, circle, circle).abs().max())
        bound = float(twist(d, nu, radius, vector).squeeze())
        assert largest * (1 - 1e-9) <= bound <= 1.02 * largest + 1e-9


# --- solvers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fista", "gd", "lbfgs"])
def test_the_certificate_holds(case, method):
    lower, theta, _ = case
    exact = solve_lower(lower, theta, 1e-24, "lbfgs", max_iter=5000)
    for tol in (1e-1, 1e-4, 1e-10):
        found = solve_lower(lower, theta, tol, method)
        assert bool(found.reached.all()) and bool((found.accuracy <= tol).all())
        assert bool(((found.x - exact.x).flatten(1).norm(dim=1) <= found.error + 1e-11).all())
        gradient = lower.grad(found.x, theta).flatten(1).square().sum(1) / lower.constants(theta)[0] ** 2
        assert torch.allclose(gradient, found.accuracy, rtol=1e-6)


@pytest.mark.parametrize("method", ["fista", "gd", "lbfgs"])
def test_an_example_does_not_depend_on_its_neighbours(method):
    lower, theta = CASES["signals"]()
    together = solve_lower(lower, theta, 1e-8, method)
    for i in range(2):
        alone = solve_lower(lower.subset(torch.tensor([i])), theta, 1e-8, method)
        assert torch.allclose(alone.x[0], together.x[i], atol=1e-12) and alone.iterations[0] == together.iterations[i]


def test_a_budget_is_kept_and_said():
    lower, theta = CASES["signals"]()
    few = solve_lower(lower, theta, 1e-12, max_iter=5)
    assert not bool(few.reached.any()) and few.cost == 10 and bool((few.accuracy > 1e-12).all())
    fixed = solve_lower(lower, theta, 0.0, max_iter=50)
    assert fixed.iterations.tolist() == [50, 50]
    done = solve_lower(lower, theta, 1e-8)
    assert solve_lower(lower, theta, 1e-8, x0=done.x).iterations.tolist() == [1, 1]
    # acceleration: the square root of the condition number, which is 46 here
    assert done.cost * 2 < solve_lower(lower, theta, 1e-8, "gd").cost


def test_float32_is_solved_to_what_it_can():
    lower = SmoothTV(signals().float(), nu=0.05, xi=1e-3)
    found = solve_lower(lower, torch.tensor([-0.5]), 1e-8)
    assert found.x.dtype == torch.float32 and bool(found.reached.all())


class Saddle(LowerLevel):
    """Not convex along the last coordinate, whatever it says."""

    parameters = 1

    def value(self, x, theta):
        return theta * (x[:, :-1].square().sum(1) - 0.1 * x[:, -1].square()) / 2 - (x * self.y).sum(1)

    def mu(self, theta):
        return theta[0]

    def L(self, theta):
        return theta[0]


def test_what_cannot_be_solved_is_named():
    lower, theta = Saddle(torch.ones(1, 3, dtype=F64), (3,)), torch.tensor([1.0], dtype=F64)
    with pytest.raises(ValueError, match="'theta' must give a strongly convex"):
        solve_lower(lower, -theta)
    with pytest.raises(ValueError, match="'lower' has a gradient that is not finite"):
        solve_lower(lower, theta, 1e-8, "gd")  # the last coordinate runs away
    tv, at = CASES["signals"]()
    with pytest.raises(ValueError, match="'step' must be below"):
        solve_lower(tv, at, method="gd", step=2.0 / tv.constants(at)[1])
    with pytest.raises(ValueError, match="'theta'"):
        solve_lower(fourier(), torch.ones(24, dtype=F64))
    with pytest.raises(ValueError, match="'size'"):
        FieldOfExperts(pictures(), size=4)


def test_boxes_are_boxes():
    x = box_signals(200, seeded(), 400)
    jumps = (x[:, 1:] != x[:, :-1]).sum(1)
    width = x.sum(1) * 4 / 399
    assert bool((jumps == 2).all()) and 0.98 < width.min() and width.max() < 2.02
    assert torch.equal(x, box_signals(200, seeded(), 400)) and not torch.equal(x, box_signals(200, seeded(1), 400))
