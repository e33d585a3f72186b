"""A3: the earth mover's distance between samples and images, eq. (10), exact."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_flag, check_generator, check_tensor
from .batches import squared_distances

__all__ = ["EMD", "emd", "emd_floor"]


@dataclass(frozen=True)
class EMD:
    """Earth mover's distance between two sets of N images.

    Attributes
    ----------
    value : float
        Eq. (10) divided by N: mean squared distance over the best pairing, in squared grey values.
    n : int
    seconds : float
    peak_gb : float
        Peak memory of the process so far, GB; NaN where the system does not say.
    partner : (N,) integer tensor
        Which image of the second set each of the first is paired with; None if it was not asked for.
    """

    value: float
    n: int
    seconds: float
    peak_gb: float
    partner: Tensor | None = None


def emd(a: Tensor, b: Tensor, pairs: bool = False) -> EMD:
    r"""Exact earth mover's distance, eq. (10) divided by N: :math:`\min_f \frac1N\sum_{ij} f_{ij}\|a_i-b_j\|_2^2`.

    f runs over the non-negative N x N matrices whose rows and columns sum to 1.  The value falls with N, even for two
    sets from one distribution: compare with ``emd_floor`` at the same N.

    Parameters
    ----------
    a, b : (N, ...) tensors
        Images, or points (N, k).  N = 2,000 takes a second, N = 10,000 about 40 s and 5 GB.
    pairs : bool
        Also give the pairing.

    Returns
    -------
    EMD

    Raises
    ------
    TypeError, ValueError
        Shapes, dtypes or devices of the two differ.
    RuntimeError
        The network simplex did not reach an optimum.

    Source
    ------
    Paper, eq. (10) and Fig. 3; POT, Flamary et al. 2021.

    Example
    -------
    Two points, both shifted by (3, 4):

    >>> a = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    >>> round(emd(a, a.flip(0) + torch.tensor([3.0, 4.0])).value, 6)
    25.0
    """
    import ot

    check_tensor("b", b)
    if b.ndim < 2 or len(b) == 0:
        raise ValueError(f"'b' must hold at least one image, got shape {tuple(b.shape)}")
    check_tensor("a", a, tuple(b.shape), like=b)
    check_finite("a", a)
    check_finite("b", b)
    pairs = check_flag("pairs", pairs)
    started = time.perf_counter()
    cost = squared_distances(a, b).cpu().numpy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # numItermax: the default, 1e5, stops before the optimum from about N = 2000 on
        if pairs:
            plan, log = ot.emd([], [], cost, numItermax=10**8, log=True)
            value = log["cost"]
        else:
            value, log = ot.emd2([], [], cost, numItermax=10**8, log=True)
            plan = None
    if log["warning"] is not None or caught:
        raise RuntimeError(f"the optimal transport did not end well: {log['warning'] or caught[0].message}")
    partner = torch.as_tensor(plan.argmax(1)) if pairs else None
    return EMD(float(value), len(a), time.perf_counter() - started, _peak_gb(), partner)


def _peak_gb() -> float:
    try:
        import resource
    except ImportError:  # Windows keeps no such count
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def emd_floor(x: Tensor, n: int, generator: torch.Generator, other: Tensor | None = None) -> EMD:
    """The EMD that two random sets of ``n`` real images have: what a perfect generator would score.

    Parameters
    ----------
    x : (M, 1, H, W) tensor
    n : int
    generator : torch.Generator
        Chooses the images: neighbours in a data set are alike, so blocks would be biased.
    other : (K, 1, H, W) tensor, optional
        Take the second set from these (training images, say); default: from the rest of ``x``.

    Example
    -------
    >>> x = torch.rand(200, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> emd_floor(x, 100, torch.Generator().manual_seed(1)).n
    100
    """
    check_tensor("x", x, (None, None, None, None))
    check_finite("x", x)
    if other is not None:
        check_tensor("other", other, (None, *x.shape[1:]), like=x)
        check_finite("other", other)
    n = check_count("n", n)
    check_generator(generator)
    needed = n if other is not None else 2 * n
    if len(x) < needed:
        raise ValueError(f"'x' must hold {needed} images for n = {n}, got {len(x)}")
    if other is not None and len(other) < n:
        raise ValueError(f"'other' must hold {n} images, got {len(other)}")
    order = torch.randperm(len(x), generator=generator).to(x.device)
    if other is None:
        return emd(x[order[:n]], x[order[n : 2 * n]])
    return emd(x[order[:n]], other[torch.randperm(len(other), generator=generator)[:n].to(other.device)])
