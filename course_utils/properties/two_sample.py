"""Are two sets of points from one distribution?  The energy distance with a permutation test, and a classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .._check import check_count, check_finite, check_generator, check_nonnegative, check_tensor
from .._inference import with_autograd
from .batches import squared_distances
from .networks import small_network

__all__ = ["ClassifierTest", "EnergyTest", "classifier_test", "energy_test"]


@dataclass(frozen=True)
class EnergyTest:
    """Energy distance of two sets of points and how unusual it is.

    Attributes
    ----------
    statistic : float
        2 E||a - b|| - E||a - a'|| - E||b - b'||; zero in the limit exactly if the distributions are equal.
    p : float
        Share of random relabellings (the true one included) with a statistic as large.  Below 0.05: refuse "equal".
    critical : float
        95 % quantile of the relabelled statistics: what chance alone reaches.
    """

    statistic: float
    p: float
    critical: float


def energy_test(a: Tensor, b: Tensor, generator: torch.Generator, permutations: int = 199) -> EnergyTest:
    """Two-sample test by the energy distance.

    Under the hypothesis that both sets come from one distribution the labels may be permuted, so the p-value is exact
    (up to ties): P(p <= alpha) <= alpha.

    Parameters
    ----------
    a : (N, k) tensor
    b : (M, k) tensor
        N + M up to about 4,000: all pairs are stored.
    generator : torch.Generator
    permutations : int

    Returns
    -------
    EnergyTest

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Székely and Rizzo, J. Stat. Plan. Inference 143 (2013).

    Example
    -------
    >>> g = torch.Generator().manual_seed(0)
    >>> a, b = torch.randn(100, 2, generator=g), torch.randn(100, 2, generator=g)
    >>> energy_test(a, b, g).p > 0.05, energy_test(a, b + 1, g).p < 0.05
    (True, True)
    """
    check_generator(generator)
    permutations = check_count("permutations", permutations)
    check_tensor("a", a)
    if a.ndim != 2 or len(a) < 2:
        raise ValueError(f"'a' must have shape (N, k) with N >= 2, got {tuple(a.shape)}")
    check_tensor("b", b, (None, a.shape[1]), like=a)
    check_finite("a", a)
    check_finite("b", b)
    if len(b) < 2:
        raise ValueError(f"'b' must hold at least 2 points, got {len(b)}")
    n, m = len(a), len(b)
    distance = squared_distances(*[torch.cat([a, b])] * 2)
    distance.fill_diagonal_(0).sqrt_()
    labels = torch.zeros(n + m, permutations + 1, dtype=torch.float64, device=a.device)
    labels[:n, 0] = 1
    for k in range(1, permutations + 1):
        labels[torch.randperm(n + m, generator=generator, device=generator.device)[:n].to(a.device), k] = 1
    reach = distance @ labels  # (n + m, K): distance of each point to all of the first set
    inside_a = (labels * reach).sum(0)
    total = distance.sum()
    inside_b = ((1 - labels) * (distance.sum(1)[:, None] - reach)).sum(0)
    between = (total - inside_a - inside_b) / 2
    # without a point's distance to itself, so that the statistic has no bias
    statistic = 2 * between / (n * m) - inside_a / (n * (n - 1)) - inside_b / (m * (m - 1))
    tie = 1e-12 * float(distance.mean())
    p = float((statistic >= statistic[0] - tie).double().mean())
    return EnergyTest(float(statistic[0]), p, float(statistic[1:].quantile(0.95)))


@dataclass(frozen=True)
class ClassifierTest:
    """Held-out accuracy of a classifier of real against generated.

    Attributes
    ----------
    accuracy : float
        0.5: it cannot tell them apart (a success of the generator, or a weak classifier); 1: it always can.
    low, high : float
        95 % confidence interval (Wilson) for the accuracy of this classifier on new images.
    p : float
        Probability of such an accuracy or more by guessing (normal approximation).
    n : int
        Number of held-out images.
    """

    accuracy: float
    low: float
    high: float
    p: float
    n: int


@with_autograd
def classifier_test(
    real: Tensor, fake: Tensor, generator: torch.Generator, blur: float = 0.0, steps: int = 200
) -> ClassifierTest:
    """Train a small network to tell real from generated images, and test it on images that it has not seen.

    Half of each set trains, the other half tests.  Values are clipped to [0, 1].

    Parameters
    ----------
    real, fake : (N, 1, H, W) tensors, N >= 40
    generator : torch.Generator
        Chooses halves and batches, and draws the first weights.
    blur : float >= 0
        Standard deviation in pixels of a Gaussian blur of both sets first: then fine grain betrays nothing.
    steps : int
        Adam steps with batches of 32 + 32 images.

    Returns
    -------
    ClassifierTest

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Lopez-Paz and Oquab, ICLR 2017; paper, Sect. 4.2.

    Example
    -------
    >>> g = torch.Generator().manual_seed(0)
    >>> a, b = (torch.rand(100, 1, 12, 12, generator=g) for _ in range(2))
    >>> classifier_test(a, (b + 0.3).clamp(0, 1), g, steps=60).low > 0.6
    True
    """
    check_generator(generator)
    steps = check_count("steps", steps)
    blur = check_nonnegative("blur", blur)
    check_tensor("real", real, (None, 1, None, None))
    check_tensor("fake", fake, tuple(real.shape), like=real)
    check_finite("real", real)
    check_finite("fake", fake)
    n = len(real)
    if n < 40:
        raise ValueError(f"'real' must hold at least 40 images, got {n}")

    def shuffled(x):
        x = x[torch.randperm(n, generator=generator, device=generator.device).to(x.device)].clamp(0, 1)
        return gaussian_blur(x, blur) if blur else x

    real, fake = shuffled(real), shuffled(fake)
    half, batch = n // 2, min(32, n // 2)
    network = small_network(1, real.shape[-1], generator).to(real)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    target = torch.cat([torch.ones(batch), torch.zeros(batch)]).to(real)
    with torch.enable_grad():
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = 2e-3 * (1 - step / steps) + 1e-5
            rows = [torch.randint(half, (batch,), generator=generator, device=generator.device) for _ in range(2)]
            x = torch.cat([real[rows[0].to(real.device)], fake[rows[1].to(real.device)]])
            loss = functional.binary_cross_entropy_with_logits(network(x)[:, 0], target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        hits = int((network(real[half:]) > 0).sum()) + int((network(fake[half:]) <= 0).sum())
    tested = 2 * (n - half)
    low, high = _wilson(hits, tested)
    p = 0.5 * math.erfc((hits - 0.5 - tested / 2) / math.sqrt(tested / 2))
    return ClassifierTest(hits / tested, low, high, p, tested)


def _wilson(hits: int, n: int, quantile: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a proportion."""
    share, q2 = hits / n, quantile**2
    middle = (share + q2 / (2 * n)) / (1 + q2 / n)
    half = quantile / (1 + q2 / n) * math.sqrt(share * (1 - share) / n + q2 / (4 * n * n))
    return middle - half, middle + half


def gaussian_blur(x: Tensor, std: float) -> Tensor:
    """Blur (B, 1, H, W) by a Gaussian of standard deviation ``std`` pixels, zero outside."""
    reach = max(1, math.ceil(3 * std))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device) / std).pow(2))
    kernel = kernel / kernel.sum()
    x = functional.conv2d(x, kernel.reshape(1, 1, -1, 1), padding=(reach, 0))
    return functional.conv2d(x, kernel.reshape(1, 1, 1, -1), padding=(0, reach))
