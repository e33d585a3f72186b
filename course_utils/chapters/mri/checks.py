"""Checks of the exercises of chapter 08: zero filling, a fair split, a density, the step in x in two ways."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, examine, not_yet, right
from ...generators import LocalPrecision
from ...operators import MaskedFourier, radial_mask

__all__ = ["fair_split", "in_data_space", "negative_log_likelihood", "x_step", "zero_fill"]


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def zero_fill(fill: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``fill(samples, mask)`` the inverse unitary Fourier transform of the samples, 0 where nothing was measured?

    Parameters
    ----------
    fill : callable
        (k,) complex samples in reading order, (n, n) bool mask -> (n, n) complex image.

    Example
    -------
    >>> def fill(samples, mask):
    ...     kspace = torch.zeros(mask.shape, dtype=samples.dtype)
    ...     kspace[mask] = samples
    ...     return torch.fft.ifft2(kspace, norm="ortho")
    >>> bool(zero_fill(fill))
    ✓ Right: the zero-filled image agrees exactly
    True
    """
    cases = []
    for n, share in ((16, 0.4), (12, 0.55)):
        mask = torch.rand(n, n, generator=_random(n)) < share  # not symmetric: the image is not real
        x = torch.rand(n, n, generator=_random(1), dtype=torch.float64)
        cases.append((torch.fft.fft2(x, norm="ortho")[mask], mask))

    def filled(samples: Tensor, mask: Tensor) -> Tensor:
        kspace = torch.zeros(mask.shape, dtype=samples.dtype)
        kspace[mask] = samples
        return kspace

    def back(kspace: Tensor) -> Tensor:
        return torch.fft.ifft2(kspace, norm="ortho")

    return examine(
        fill,
        cases,
        lambda samples, mask: back(filled(samples, mask)),
        "the zero-filled image",
        rtol=1e-6,
        mistakes={
            "this is k-space: transform back": filled,
            "the forward transform once more: the image is turned by 180 degrees": lambda s, m: torch.fft.fft2(
                filled(s, m), norm="ortho"
            ),
            'the norm: with norm="ortho" on the way there, the same on the way back': lambda s, m: torch.fft.ifft2(
                filled(s, m)
            ),
            'the norm: "forward" on the way back multiplies by the number of pixels': lambda s, m: torch.fft.ifft2(
                filled(s, m), norm="forward"
            ),
            "a shift too many: the zero frequency is entry [0, 0]": lambda s, m: back(
                torch.fft.ifftshift(filled(s, m))
            ),
            "the image is shifted by half its size: nothing needs to be shifted": lambda s, m: torch.fft.fftshift(
                back(filled(s, m))
            ),
            "reading order goes row by row": lambda s, m: back(filled(s, m.T).T),
            "this transform is along one axis only": lambda s, m: torch.fft.ifft(filled(s, m), norm="ortho"),
            "keep the imaginary part: the mask may not be symmetric": lambda s, m: back(filled(s, m)).real,
            "keep the phase: this is the magnitude": lambda s, m: back(filled(s, m)).abs(),
            "take the samples as they are, not their complex conjugates": lambda s, m: back(filled(s, m).conj()),
            "divide by nothing: what was not measured stays 0, and no density is corrected": lambda s, m: (
                back(filled(s, m)) / m.double().mean()
            ),
        },
    )


def _stencil(size: int) -> tuple[Tensor, Tensor, Tensor, LocalPrecision]:
    """v and l (size, size), a (2, size, size) for the neighbours to the right and below, and the same as a field."""
    random = _random(3)
    v, ell = (torch.randn(size, size, generator=random, dtype=torch.float64) for _ in range(2))
    ell = 0.5 + 0.3 * ell
    a = -0.4 + 0.2 * torch.randn(2, size, size, generator=random, dtype=torch.float64)
    full = torch.zeros(1, 4, size, size, dtype=torch.float64)  # right, below left, below, below right
    full[0, 0], full[0, 2] = a
    return v, ell, a, LocalPrecision(ell[None, None], full)


def negative_log_likelihood(density: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Is ``density(v, ell, a)`` minus the logarithm of N(v; 0, Sigma), without the constant?

    Parameters
    ----------
    density : callable
        (H, W) image, (H, W) log diagonal, (2, H, W) coefficients of the right and the lower neighbour -> a number.
    """
    cases = [_stencil(size)[:3] for size in (7, 5)]

    def neighbours(v: Tensor, earlier: bool = False) -> tuple[Tensor, Tensor]:
        """To the right and below, or to the left and above; 0 outside."""
        padded = torch.nn.functional.pad(v, (1, 1, 1, 1))
        return (padded[1:-1, :-2], padded[:-2, 1:-1]) if earlier else (padded[1:-1, 2:], padded[2:, 1:-1])

    def energy(v: Tensor, a: Tensor, pair: tuple, scale: Tensor) -> Tensor:
        return (scale * (v + a[0] * pair[0] + a[1] * pair[1])).square().sum()

    def of(half: float, log_det: float, quadratic: Callable | None = None) -> Callable:
        """half times a quadratic form plus log_det times sum(ell)."""

        def value(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
            form = quadratic(v, ell, a) if quadratic else energy(v, a, neighbours(v), ell.exp())
            return half * form + log_det * ell.sum()

        return value

    def alone(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return (ell.exp() * v).square().sum()

    def wrapped(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return energy(v, a, (v.roll(-1, 1), v.roll(-1, 0)), ell.exp())

    def swapped(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return energy(v, a, neighbours(v)[::-1], ell.exp())

    def earlier(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return energy(v, a, neighbours(v, earlier=True), ell.exp())

    def subtracted(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return energy(v, -a, neighbours(v), ell.exp())

    def scaled(scale: Callable) -> Callable:
        return lambda v, ell, a: energy(v, a, neighbours(v), scale(ell))

    def outside(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        """The diagonal multiplies the pixel only, not its neighbours."""
        pair = neighbours(v)
        return (ell.exp() * v + a[0] * pair[0] + a[1] * pair[1]).square().sum()

    def constant(v: Tensor, ell: Tensor, a: Tensor) -> Tensor:
        return density_of(v, ell, a) + 0.5 * v.numel() * math.log(2 * math.pi)

    density_of = of(0.5, -1.0)
    return examine(
        density,
        cases,
        lambda v, ell, a: density_of(v, ell, a),
        "-log N",
        rtol=1e-6,
        mistakes={
            "no neighbours, and no log-determinant": of(0.5, 0.0, alone),
            "no neighbours yet": of(0.5, -1.0, alone),
            "the log-determinant is missing": of(0.5, 0.0),
            "the sign of the log-determinant: log det Sigma = -2 sum(ell)": of(0.5, 1.0),
            "half of log det Sigma = -2 sum(ell): you have all of it": of(0.5, -2.0),
            "half of the log-determinant is sum(ell); you have half of that": of(0.5, -0.5),
            "the factor 1/2 of the quadratic form is missing": of(1.0, -1.0),
            "both factors 1/2 are missing": of(1.0, -2.0),
            "the whole sign is turned: minus the logarithm is asked for": of(-0.5, 1.0),
            "the neighbours wrap around: outside the image they are 0": of(0.5, -1.0, wrapped),
            "these are the neighbours to the left and above": of(0.5, -1.0, earlier),
            "right and below have changed places": of(0.5, -1.0, swapped),
            "the neighbours are added, not subtracted: their coefficients have signs of their own": of(
                0.5, -1.0, subtracted
            ),
            "the diagonal is exp(ell), not ell": of(0.5, -1.0, scaled(lambda ell: ell)),
            "the diagonal multiplies: exp(ell), not exp(-ell)": of(0.5, -1.0, scaled(lambda ell: (-ell).exp())),
            "the diagonal multiplies the whole sum, the neighbours too": of(0.5, -1.0, outside),
            "the constant n/2 log(2 pi) was to be left out": constant,
        },
    )


def x_step(step: Callable) -> Verdict:
    """Does ``step(A, y, g, precision, lam)`` solve (A* A + lam/2 Sigma^-1) x = A* y + lam/2 Sigma^-1 g?

    Parameters
    ----------
    step : callable
        Operator, (1, ...) data, (1, 1, n, n) image G(z), function v -> Sigma^-1 v, number -> (1, 1, n, n) image.
    """
    cases = []
    for n, spokes, lam in ((10, 3, 0.05), (8, 2, 0.2)):
        A = MaskedFourier(radial_mask(n, spokes)).double()
        g = torch.rand(1, 1, n, n, generator=_random(5), dtype=torch.float64)
        y = A(g) + 0.3 * torch.randn(1, *A.shape_out, generator=_random(6), dtype=torch.float64)
        cases.append((A, y, g, _stencil(n)[3].precision, lam))

    def system(A, y: Tensor, g: Tensor, precision: Callable) -> tuple[Tensor, ...]:
        """A^* A and Sigma^-1 as matrices; A^* y, Sigma^-1 g and g as vectors."""
        pixels = torch.eye(A.n, dtype=g.dtype).reshape(-1, *A.shape_in)
        M, P = A.matrix(), precision(pixels).reshape(A.n, A.n)
        return M.T @ M, P, M.T @ y.flatten(), P @ g.flatten(), g.flatten()

    def by(left: Callable, right: Callable) -> Callable:
        """The solution of a system of which both sides are formulas of what ``system`` returns, and lam."""

        def value(A, y: Tensor, g: Tensor, precision: Callable, lam: float) -> Tensor:
            parts = (*system(A, y, g, precision), lam)
            return torch.linalg.solve(left(*parts), right(*parts)).reshape(g.shape)

        return value

    def left(normal, P, back, prior, g, lam):
        return normal + lam / 2 * P

    def right(normal, P, back, prior, g, lam):
        return back + lam / 2 * prior

    solve = by(left, right)

    def early(steps: int) -> Callable:
        """The first steps of conjugate gradients: what has not converged looks like no other mistake."""

        def value(A, y: Tensor, g: Tensor, precision: Callable, lam: float) -> Tensor:
            parts = (*system(A, y, g, precision), lam)
            H, x = left(*parts), g.flatten()
            p = r = right(*parts) - H @ x
            for _ in range(steps):
                alpha = r @ r / (p @ H @ p)
                x, new = x + alpha * p, r - alpha * (H @ p)
                p, r = new + (new @ new) / (r @ r) * p, new
            return x.reshape(g.shape)

        return value

    mistakes = {
        "this is still G(z): no data have come in": lambda A, y, g, precision, lam: g,
        "the factor: the system has lam / 2, you have lam": by(
            lambda N, P, back, prior, g, lam: N + lam * P, lambda N, P, back, prior, g, lam: back + lam * prior
        ),
        "the right-hand side needs lam / 2 Sigma^-1 G(z)": by(left, lambda N, P, back, prior, g, lam: back),
        "the data are missing on the right-hand side: A* y": by(
            left, lambda N, P, back, prior, g, lam: lam / 2 * prior
        ),
        "on the right stands Sigma^-1 G(z), not G(z)": by(left, lambda N, P, back, prior, g, lam: back + lam / 2 * g),
        "left and right need the same lam / 2: on the right you have lam": by(
            left, lambda N, P, back, prior, g, lam: back + lam * prior
        ),
        "left and right need the same lam / 2: on the left you have lam": by(
            lambda N, P, back, prior, g, lam: N + lam * P, right
        ),
        "Sigma^-1 is missing: this is the step of identity": by(
            lambda N, P, back, prior, g, lam: N + lam / 2 * torch.eye(len(g), dtype=g.dtype),
            lambda N, P, back, prior, g, lam: back + lam / 2 * g,
        ),
        "lam is missing": by(lambda N, P, back, prior, g, lam: N + P, lambda N, P, back, prior, g, lam: back + prior),
        "this is x - G(z); return x": lambda A, y, g, precision, lam: solve(A, y, g, precision, lam) - g,
        "this is the image of the data alone, A* y": lambda A, y, g, precision, lam: A.T(y),
        "this is one gradient step from G(z)": lambda A, y, g, precision, lam: g + A.T(y - A(g)),
    }
    for k in range(1, 4):
        words = f"only {k} step{'s' if k > 1 else ''} of conjugate gradients: repeat until the residual is small"
        mistakes[words] = early(k)
    return examine(
        step,
        cases,
        lambda A, y, g, precision, lam: solve(A, y, g, precision, lam),
        "the image",
        rtol=1e-5,
        mistakes=mistakes,
    )


#: Person of each image, and the share of images that should be tested.
SPLITS = (
    ("aaaabbcccccc", 0.5),  # one person alone is best
    ("aaaaabbbccc", 0.45),  # whoever takes people from the last on ends farther away
    ("aaaabbbccc", 0.6),  # and here whoever begins with the largest
    ("abababcc", 0.25),  # not in blocks
    ("aab", 0.9),  # somebody must train
)


def fair_split(split: Callable[[list[str], float], list[bool]]) -> Verdict:
    """Does ``split(subjects, share)`` test whole people, and as nearly that share of the images as whole people allow?

    Parameters
    ----------
    split : callable
        List of names, one for each image, and a number in (0, 1) -> list of bools, True for an image of the test set.

    Example
    -------
    >>> import itertools
    >>> def split(subjects, share):
    ...     people = sorted(set(subjects))
    ...     sets = [set(s) for k in range(1, len(people)) for s in itertools.combinations(people, k)]
    ...     def off(tested):
    ...         return abs(sum(name in tested for name in subjects) / len(subjects) - share)
    ...     best = min(sets, key=off)
    ...     return [name in best for name in subjects]
    >>> bool(fair_split(split))
    ✓ Right: nobody is on both sides, and the shares are as near as whole people allow
    True
    """
    for names, share in SPLITS:
        subjects = list(names)
        found, problem = attempt(split, list(subjects), share)
        if problem is not None:
            return problem
        tested = (
            found.tolist() if hasattr(found, "tolist") else list(found) if isinstance(found, (list, tuple)) else None
        )
        if tested is None or len(tested) != len(subjects) or any(v not in (True, False) for v in tested):
            return not_yet(f"expected a list of {len(subjects)} bools, one for each image")
        sides = {name: {bool(t) for n, t in zip(subjects, tested, strict=True) if n == name} for name in subjects}
        both = sorted(name for name, side in sides.items() if len(side) > 1)
        if both:
            return not_yet(f"images of {', '.join(both)} are on both sides: the test would measure memory")
        if len({bool(t) for t in tested}) < 2:
            return not_yet(f"with {''.join(subjects)!r} nobody is left to {'train on' if tested[0] else 'test on'}")
        counts = Counter(subjects)
        sets = [s for k in range(1, len(counts)) for s in itertools.combinations(counts, k)]
        nearest = min(abs(sum(counts[n] for n in s) / len(subjects) - share) for s in sets)
        off = abs(sum(map(bool, tested)) / len(subjects) - share)
        if off > nearest + 1e-9:
            return not_yet(
                f"whole people, but the test set has {sum(map(bool, tested))} of {len(subjects)} images where "
                f"{share:.2f} was asked for, and another choice of people is nearer"
            )
    return right("nobody is on both sides, and the shares are as near as whole people allow")


def in_data_space(image: Callable[..., Tensor]) -> Verdict:
    """Is ``image(A, y, g, Sigma, sigma)`` the x of ``x_step`` for lam = 2 sigma^2, from an m x m system?

    Parameters
    ----------
    image : callable
        (m, n) matrix, (m,) data, (n,) mean, (n, n) covariance, noise level -> (n,) image.
    """
    cases = []
    for k, (m, n) in enumerate(((5, 12), (4, 9))):
        random = _random(10 + k)
        A, y, g, half = (
            torch.randn(*shape, generator=random, dtype=torch.float64) for shape in ((m, n), (m,), (n,), (n, n))
        )
        cases.append((A / n**0.5, y, g, half @ half.T / n + 0.1 * torch.eye(n, dtype=torch.float64), 0.3 + 0.4 * k))

    def by(inner: Callable, outer: Callable | None = None) -> Callable:
        """g + outer(A, Sigma) applied to inner(A, Sigma, sigma)^-1 (y - A g)."""

        def value(A, y, g, Sigma, sigma):
            back = Sigma @ A.T if outer is None else outer(A, Sigma)
            return g + back @ torch.linalg.solve(inner(A, Sigma, sigma), y - A @ g)

        return value

    def system(A, Sigma, sigma, power=2):
        return A @ Sigma @ A.T + sigma**power * torch.eye(len(A), dtype=A.dtype)

    solution = by(system)
    mistakes = {
        "this is still the mean g": lambda A, y, g, Sigma, sigma: g,
        "the mean is missing: this is x - g": lambda A, y, g, Sigma, sigma: (
            solution(A, y, g, Sigma, sigma) - g
        ),
        "the data are compared with A g: y - A g, not y": lambda A, y, g, Sigma, sigma: (
            g + Sigma @ A.T @ torch.linalg.solve(system(A, Sigma, sigma), y)
        ),
        "the noise enters as its variance, sigma^2": by(lambda A, S, s: system(A, S, s, power=1)),
        "with lam = 2 sigma^2 the factor is sigma^2, not 2 sigma^2": by(lambda A, S, s: system(A, S, 2**0.5 * s)),
        "without the noise: this fits the data exactly": by(lambda A, S, s: A @ S @ A.T),
        "Sigma is missing in the system": by(lambda A, S, s: system(A, torch.eye(len(S), dtype=S.dtype), s)),
        "Sigma is missing in front of A*": by(system, lambda A, S: A.T),
        "this is the precision where the covariance belongs": by(
            lambda A, S, s: system(A, torch.linalg.inv(S), s), lambda A, S: torch.linalg.inv(S) @ A.T
        ),
    }  # fmt: skip
    return examine(image, cases, solution, "the image", rtol=1e-6, mistakes=mistakes)
