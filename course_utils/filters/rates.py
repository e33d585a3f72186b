"""How fast a reconstruction tends to the truth when the noise tends to 0, measured, beside what the theorem says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_choice, check_finite, check_generator, check_numbers, check_positive, check_tensor
from ..operators import LinearOperator
from .spectral import check_decomposes, landweber_filter, tikhonov_filter, truncated_filter

__all__ = ["METHODS", "Rate", "convergence_rate"]

METHODS = ("tikhonov", "truncated", "landweber")


@dataclass(frozen=True)
class Rate:
    """Errors of a method at D noise levels.

    Attributes
    ----------
    deltas : (D,) float64 tensor
        ||e||, falling.
    parameters : (D,) float64 tensor
        The regularisation that was chosen for each: lambda, the square of the truncation level, or 1 / (omega k).
    errors : (D,) float64 tensor
        ||x - x^dagger||.
    slope : float
        Of log error over log delta, by least squares.
    theorem : float
        The exponent that is proved.
    """

    deltas: Tensor
    parameters: Tensor
    errors: Tensor
    slope: float
    theorem: float


def convergence_rate(
    A: LinearOperator,
    method: str,
    nu: float,
    deltas: Sequence[float],
    w: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Rate:
    r"""How the error falls with the noise for a truth :math:`x^\dagger=(A^*A)^\nu w,\ \|w\|=1`, and the fitted slope.

    The regularisation is chosen a priori, :math:`\alpha=\delta^{2/(2\nu+1)}`: lambda for Tikhonov, the square of the
    least singular value that is kept, 1 / (omega k) for k steps of Landweber with :math:`\omega=1/\|A\|^2`.  Then the
    error is at most a constant times :math:`\delta^{2\nu/(2\nu+1)}`.  Tikhonov saturates: beyond nu = 1 its exponent
    stays 2/3, and alpha is chosen as for nu = 1.

    The theorem is on the worst case, and by default this is measured: for each delta, w and e are the singular vectors
    for which the method loses most of the truth and amplifies noise most, or the one for which the sum of both is
    largest.  One w for all deltas can only be better.  So is random noise of the same norm, but its slope may be
    smaller: it is spread over all m data, and a strong regularisation, which large noise asks for, removes most of it.

    Parameters
    ----------
    A : LinearOperator
        Small enough for its spectrum.  Computed in float64 whatever its dtype.
    method : "tikhonov", "truncated" or "landweber"
    nu : float > 0
        The smoothness of the truth.
    deltas : sequence of at least 2 numbers > 0
        Noise levels ||e||.  alpha has to lie between the squares of the least and largest singular values: A is a
        matrix, so below them no rate can be seen.
    w : (1, *A.shape_in) tensor, optional
        The source of one truth for all noise levels; it is divided by its norm.
    generator : torch.Generator, optional
        Draws noise of norm delta in place of the worst case.

    Returns
    -------
    Rate

    Raises
    ------
    ValueError
        An unknown method, or noise levels outside what the spectrum resolves.

    Source
    ------
    Engl, Hanke and Neubauer, Regularization of Inverse Problems (1996), Chapters 4 to 6.

    Example
    -------
    >>> from course_utils.operators import GaussianBlur
    >>> rate = convergence_rate(GaussianBlur(16, width=9, std=1.5), "tikhonov", 0.5, [1e-1, 1e-2, 1e-3, 1e-4])
    >>> round(rate.slope, 1), rate.theorem
    (0.5, 0.5)
    """
    check_decomposes(A)
    check_choice("method", method, METHODS)
    nu = check_positive("nu", nu)
    deltas = [check_positive("deltas", value) for value in check_numbers("deltas", deltas, least=2)]
    deltas = sorted(deltas, reverse=True)
    if len(set(deltas)) < 2:
        raise ValueError(f"'deltas' must hold two different noise levels, got {deltas[0]:g} alone")
    if w is not None:
        check_tensor("w", w, (1, *A.shape_in), like=A.like)
        check_finite("w", w)
        if not bool(w.any()):
            raise ValueError("'w' must not be 0 everywhere")
    if generator is not None:
        check_generator(generator)
    S = A.spectrum().S.cpu().double()
    source = None if w is None else A.spectrum().of_image(w / w.norm())[0].cpu().double()
    S, source = S[S > 0], source if source is None else source[S > 0]
    order = min(nu, 1.0) if method == "tikhonov" else nu
    alphas = [delta ** (2 / (2 * order + 1)) for delta in deltas]
    least, most = float(S.min()) ** 2, float(S.max()) ** 2
    if alphas[-1] < least or alphas[0] > most:
        low, high = (value ** (order + 0.5) for value in (least, most))
        raise ValueError(
            f"'deltas' must lie between {low:.2g} and {high:.2g}, which the singular values resolve, got "
            f"{deltas[-1]:g} to {deltas[0]:g}"
        )
    errors = []
    for delta, alpha in zip(deltas, alphas, strict=True):
        phi = _filter(method, S, alpha)
        noise = None if generator is None else delta * _unit(A.m, generator)[: len(S)].to(S)
        errors.append(_error(S, phi, S ** (2 * nu), delta, source, noise))
    t, e = (torch.tensor(values, dtype=torch.float64) for values in (deltas, errors))
    centred = t.log() - t.log().mean()
    slope = float((centred * e.log()).sum() / (centred**2).sum())
    return Rate(t, torch.tensor(alphas, dtype=torch.float64), e, slope, 2 * order / (2 * order + 1))


def _filter(method: str, S: Tensor, alpha: float) -> Tensor:
    if method == "tikhonov":
        return tikhonov_filter(S, alpha)
    if method == "truncated":
        return truncated_filter(S, alpha**0.5)
    step = 1 / float(S.max()) ** 2
    return landweber_filter(S, math.ceil(1 / (step * alpha)), step)


def _unit(m: int, generator: torch.Generator) -> Tensor:
    """A random direction in m dimensions; which orthogonal axes it is written in plays no part."""
    e = torch.randn(m, generator=generator, device=generator.device)
    return e / e.norm()


def _error(S: Tensor, phi: Tensor, smooth: Tensor, delta: float, source: Tensor | None, noise: Tensor | None) -> float:
    """||x - x^dagger|| in the singular vectors: what the filter loses of the truth, plus what it makes of the noise.

    Without a source the worst of (w, e): one singular vector for both, or for each the one that counts most.
    """
    loss, gain = (1 - phi) * smooth, phi / S
    if source is not None and noise is not None:
        return float((loss * source - gain * noise).norm())
    if source is None and noise is None:
        together = (loss + delta * gain).max()
        return float(torch.maximum(together, torch.hypot(loss.max(), delta * gain.max())))
    lost = loss.max() if source is None else (loss * source).norm()
    made = delta * gain.max() if noise is None else (gain * noise).norm()
    return float(torch.hypot(lost, made))
