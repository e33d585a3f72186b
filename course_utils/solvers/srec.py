"""The set-restricted eigenvalue condition, measured: can A tell the images of G apart?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_kind, check_nonnegative
from ..generators import Generator
from ..operators import LinearOperator
from ..regularisers.objective import Objective, sum_of_squares
from .descent import lbfgs

__all__ = ["SREC", "s_rec"]


@dataclass(frozen=True)
class SREC:
    """What ``s_rec`` measured.

    Attributes
    ----------
    ratios : (N,) tensor
        (||A(x1 - x2)|| + delta) / ||x1 - x2|| of the random pairs, divided by ``scale``.
    worst : (k,) tensor
        The k least of them after descent.
    gamma : float
        The least value found: an upper bound of the constant, the infimum over all pairs.
    z : (k, 2, d) tensor
        The pairs after descent.
    scale : float
        ||A||_F / sqrt(n), the ratio that a random direction has on average (in the root mean square).
    """

    ratios: Tensor
    worst: Tensor
    gamma: float
    z: Tensor
    scale: float


class _SquaredRatio(Objective):
    """(||A(G(z1) - G(z2))|| + delta)^2 / ||G(z1) - G(z2)||^2, in (z1, z2) side by side: (B, 2d) -> (B,).

    Not its logarithm, although that has the same minimisers: the square is smooth where A sees no difference, which is
    what the descent looks for, and its curvature stays finite there; and 1, the value where A keeps distances, is for
    a logarithm the 0 of which no decrease is a small part.
    """

    batched = ("size",)

    def __init__(self, A: LinearOperator, G: Generator, delta: float, pair: Tensor) -> None:
        self.A, self.G, self.delta = A, G, delta
        with torch.no_grad():
            x1, x2 = (torch.cat([G(part) for part in z.split(512)]) for z in pair.chunk(2, dim=1))
            # The data from whose difference the values come, relative to that of the images.
            self.size = sum_of_squares(A(x1)) / sum_of_squares(x1 - x2).clamp_min(torch.finfo(pair.dtype).tiny)

    def magnitude(self) -> Tensor:
        return self.size

    def _value(self, v: Tensor) -> Tensor:
        z1, z2 = v.chunk(2, dim=1)
        difference = self.G(z1) - self.G(z2)
        tiny = torch.finfo(v.dtype).tiny
        seen = sum_of_squares(self.A(difference)).clamp_min(tiny).sqrt()
        return (seen + self.delta).square() / sum_of_squares(difference).clamp_min(tiny)


def s_rec(
    A: LinearOperator,
    G: Generator,
    generator: torch.Generator,
    pairs: int = 2_000,
    descend: int = 32,
    delta: float = 0.0,
    max_iter: int = 100,
) -> SREC:
    r"""The empirical constant of the set-restricted eigenvalue condition on the range of G.

    A satisfies S-REC(S, gamma, delta) if :math:`\|A(x_1-x_2)\|_2 \ge \gamma\|x_1-x_2\|_2 - \delta` for all x_1,
    x_2 in S.  So gamma is the infimum of :math:`(\|A(x_1-x_2)\|_2+\delta)/\|x_1-x_2\|_2`.  Random pairs of images
    bound it from above; the worst of them are made worse by descent on both latent vectors.

    Parameters
    ----------
    A : LinearOperator
    G : Generator
    generator : torch.Generator
        Draws the pairs, z ~ N(0, I).
    pairs : int
    descend : int
        So many of the worst pairs are made worse; 0 leaves them as they are.
    delta : float >= 0
        In units of the data.  With 0 the pairs may come arbitrarily near each other: the ratio is then that of a
        direction in which the range extends.
    max_iter : int
        Steps of L-BFGS.

    Returns
    -------
    SREC
        Ratios relative to ``scale``, so that 1 means: as well as a random direction of pixel space.

    Raises
    ------
    TypeError, ValueError
        Wrong counts, negative ``delta``, images that do not fit A.

    Source
    ------
    Bora et al., ICML 2017, Definition 1; Shah and Hegde, ICASSP 2018; paper, Sect. 3.1.1.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> from course_utils.operators import Identity
    >>> G = build(GeneratorConfig("ae", 2), seed=0).freeze()
    >>> round(s_rec(Identity(28), G, torch.Generator().manual_seed(0), pairs=50).gamma, 4)  # A = I keeps distances
    1.0
    """
    pairs, descend = check_count("pairs", pairs), check_count("descend", descend, minimum=0)
    delta, max_iter = check_nonnegative("delta", delta), check_count("max_iter", max_iter, minimum=0)
    check_kind("A", A, LinearOperator)
    check_kind("G", G, Generator)
    if G.image_shape != A.shape_in:
        raise ValueError(f"'G' makes images {G.image_shape}, the operator takes {A.shape_in}")
    scale = float(A.spectrum().S.square().sum().sqrt()) / A.n**0.5
    z = torch.cat([G.sample_latent(pairs, generator), G.sample_latent(pairs, generator)], dim=1)
    objective = _SquaredRatio(A, G, delta, z)
    with torch.no_grad():
        start = objective.value(z)
        order = start.argsort()[:descend]
        worst, ends = start[order], z[order]
        if descend:
            found, _ = lbfgs(objective.select(order), ends, max_iter=max_iter, tol=1e-4)
            worst, ends = found["f"], found["v"]
        least = torch.cat([worst, start]).min().sqrt()
    return SREC(
        ratios=start.sqrt() / scale, worst=worst.sqrt() / scale, gamma=float(least) / scale,
        z=ends.reshape(-1, 2, G.latent_dim), scale=scale,
    )  # fmt: skip
