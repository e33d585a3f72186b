"""Filtered back-projection: the inversion formula of parallel-beam tomography, discretised."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import (
    check_angles,
    check_between,
    check_choice,
    check_count,
    check_finite,
    check_kind,
    check_positive,
    check_tensor,
)
from .tomography import ParallelBeam

__all__ = ["FILTERS", "back_project", "fbp", "ramp_filter", "view_weights"]

#: Name of a window -> factor on the ramp at the frequency f, which is a fraction of the highest.
FILTERS = {
    "ramp": lambda f: torch.ones_like(f),
    "shepp-logan": lambda f: torch.sinc(f / 2),
    "cosine": lambda f: torch.cos(math.pi / 2 * f),
    "hamming": lambda f: 0.54 + 0.46 * torch.cos(math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * torch.cos(math.pi * f),
}


def ramp_filter(n: int, bin_width: float, filter: str = "ramp", cutoff: float = 1.0) -> Tensor:
    r"""Frequency response :math:`|\omega|\,w(\omega)` of the filter at the n // 2 + 1 frequencies of a real FFT.

    The ramp is the transform of its band-limited impulse response (1/4 at 0, -1/(pi k)^2 at odd k, in units of the
    bin), not a sampled :math:`|\omega|`, whose value 0 at frequency 0 would shift all grey values.

    Parameters
    ----------
    n : int
        Length of the padded detector, even.
    bin_width : float
        In pixels; the response is in cycles per pixel.
    filter : {"ramp", "shepp-logan", "cosine", "hamming", "hann"}
    cutoff : float in (0, 1]
        Frequencies above this fraction of the highest are removed, and the apodisation ends there.

    Source
    ------
    Kak and Slaney, Principles of Computerized Tomographic Imaging, Sect. 3.3.

    Example
    -------
    >>> response = ramp_filter(512, bin_width=1.0)
    >>> response.shape, bool((response - torch.linspace(0, 0.5, 257).double()).abs().max() < 1e-3)
    (torch.Size([257]), True)
    """
    n, bin_width = check_count("n", n, minimum=2), check_positive("bin_width", bin_width)
    check_choice("filter", filter, FILTERS)
    cutoff = check_between("cutoff", cutoff, 0, 1, "(]")
    k = torch.arange(n, dtype=torch.float64)
    k = torch.minimum(k, n - k)
    impulse = torch.where(k % 2 == 1, -1 / (math.pi * k).clamp_min(1) ** 2, 0.0)
    impulse[0] = 0.25
    f = torch.arange(n // 2 + 1, dtype=torch.float64) / (n // 2) / cutoff
    window = torch.where(f <= 1, FILTERS[filter](f.clamp_max(1)), 0.0)
    return torch.fft.rfft(impulse).real * window / bin_width


def view_weights(angles: Tensor) -> Tensor:
    """Weight of each view in the integral over the half circle: half the gap to its neighbours on either side.

    Views that differ by pi see the same lines.  If the greatest gap is more than twice the second, it is a missing
    wedge: nothing is known there, and the views beside it are not made to stand for it.

    Parameters
    ----------
    angles : (n,) tensor, in radians, in any order

    Example
    -------
    >>> view_weights(torch.tensor([0.0, 0.1, 0.2, 0.3]))
    tensor([0.1000, 0.1000, 0.1000, 0.1000])
    """
    check_tensor("angles", angles, (None,))
    check_angles("angles", angles)
    order = angles.double().remainder(math.pi).argsort()
    turned = angles.double().remainder(math.pi)[order]
    gaps = torch.cat([turned.diff(), turned[:1] + math.pi - turned[-1:]])
    widest = gaps[gaps > 1e-6].sort(descending=True).values  # angles are stored in float32
    if len(widest) > 1 and widest[0] > 2 * widest[1]:
        gaps = gaps.clamp_max(widest[1])
    weights = torch.empty_like(gaps)
    weights[order] = (gaps + gaps.roll(1)) / 2
    return weights.to(angles)


def back_project(A: ParallelBeam, q: Tensor, weights: Tensor) -> Tensor:
    r"""Smear each view back over the image: :math:`\sum_a w_a\, q_a(p\cdot(\cos a,\sin a))` at every pixel p.

    Parameters
    ----------
    A : ParallelBeam
        For its geometry; ``A.scale`` plays no part.
    q : (B, n_angles, n_detectors) tensor
        Interpolated linearly between the bins.
    weights : (n_angles,) tensor

    Returns
    -------
    (B, 1, size, size) tensor
    """
    check_kind("A", A, ParallelBeam)
    check_tensor("q", q, (None, *A.shape_out))
    check_finite("q", q)
    check_tensor("weights", weights, (A.shape_out[0],))
    check_finite("weights", weights)
    size, n = A.shape_in[1], A.shape_out[1]
    centre = torch.arange(size, dtype=q.dtype, device=q.device) - (size - 1) / 2
    x, y = centre.repeat(size), -centre.repeat_interleave(size)  # row 0 is at the top
    image = torch.zeros(len(q), size * size, dtype=q.dtype, device=q.device)
    for a, angle in enumerate(A.angles.tolist()):
        place = (x * math.cos(angle) + y * math.sin(angle)) / A.bin_width + (n - 1) / 2
        place = place.clamp(0, n - 1)  # the corners may lie half a bin outside the outermost line
        left = place.floor().clamp_max(max(n - 2, 0)).long()
        t = place - left
        image = image + weights[a] * ((1 - t) * q[:, a, left] + t * q[:, a, (left + 1).clamp_max(n - 1)])
    return image.reshape(-1, *A.shape_in)


def fbp(A: ParallelBeam, y: Tensor, filter: str = "ramp", cutoff: float = 1.0) -> Tensor:
    r"""Filtered back-projection of parallel-beam data: ``fbp(A, A(x))`` is about x.

    :math:`x(p) = \int_0^\pi (h * y_a)(p\cdot(\cos a, \sin a))\,\mathrm{d}a / c`, where h has the frequency response
    :math:`|\omega|\,w(\omega)` and c = ``A.scale`` undoes the scaling of A to norm 1.

    Parameters
    ----------
    A : ParallelBeam
        Any list of angles; a missing wedge stays empty.
    y : (B, n_angles, n_detectors) tensor
    filter : {"ramp", "shepp-logan", "cosine", "hamming", "hann"}
        From sharp and noisy to soft.
    cutoff : float in (0, 1]
        Fraction of the highest frequency that is kept; less noise, less detail.

    Returns
    -------
    (B, 1, size, size) tensor
        May be negative: nothing here knows that images are not.

    Raises
    ------
    TypeError, ValueError
        ``A`` is no ParallelBeam; a sinogram of the wrong shape; an unknown filter; a cutoff outside (0, 1].

    Source
    ------
    Natterer, The Mathematics of Computerized Tomography, Ch. V.1; derived in chapter 07.

    Example
    -------
    >>> A, x = ParallelBeam.full(28), torch.zeros(1, 1, 28, 28)
    >>> x[..., 8:20, 8:20] = 1
    >>> round(float(fbp(A, A(x))[..., 11:17, 11:17].mean()), 2)
    1.0
    """
    check_kind("A", A, ParallelBeam)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    n = A.shape_out[1]
    padded = 2 ** math.ceil(math.log2(max(2 * n, 64)))  # so that the two ends of the detector do not meet
    response = ramp_filter(padded, A.bin_width, filter, cutoff).to(y)
    filtered = torch.fft.irfft(torch.fft.rfft(y / A.scale, padded) * response, padded)[..., :n]
    return back_project(A, filtered, view_weights(A.angles))
