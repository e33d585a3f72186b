"""The 1-norm, of the image itself or of its wavelet coefficients: few of them are not 0."""

from __future__ import annotations

import functools

import numpy as np
import pywt
import torch
from torch import Tensor

from .._check import check_count, check_entries, check_tensor, check_text
from .base import check_prox
from .composite import Composite

__all__ = ["L1", "Wavelets"]


#: Names of the wavelets that are allowed.
ORTHOGONAL = frozenset(name for name in pywt.wavelist(kind="discrete") if pywt.Wavelet(name).orthogonal)


def shrink(k: Tensor, tau: Tensor | float) -> Tensor:
    """Soft thresholding: towards 0 by tau, and not beyond."""
    return k - k.clamp(-tau, tau)


class L1(Composite):
    r"""The 1-norm, :math:`R(x) = \|x\|_1`; its prox is soft thresholding.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    bounds : (low, high), optional
        Grey values outside are forbidden: R is infinite there.

    Source
    ------
    Tibshirani, J. R. Stat. Soc. B 58 (1996): with a data term, the Lasso.

    Example
    -------
    >>> x = torch.tensor([[3.0, -0.5, -2.0]])
    >>> L1(1.0).prox(x, tau=1.0), L1(1.0, bounds=(0, 1)).prox(x, tau=1.0)
    (tensor([[ 2., 0., -1.]]), tensor([[1., 0., 0.]]))
    """

    closed_prox = True

    def K(self, v: Tensor) -> Tensor:
        return v

    def KT(self, q: Tensor) -> Tensor:
        return q

    def size(self, k: Tensor) -> Tensor:
        return k.flatten(1).abs().sum(1)

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        return torch.clamp(q, -lam, lam)

    def prox(self, x: Tensor, tau: float | Tensor) -> Tensor:
        """Soft thresholding, then (of one variable each, and convex) the nearest point within the bounds."""
        return self.nearest(shrink(x, check_prox(x, tau)))


@functools.lru_cache(maxsize=64)
def _one_level(wavelet: str, n: int) -> Tensor:
    """One level of the periodic transform of n values as an orthogonal matrix: averages above, details below."""
    return torch.from_numpy(np.concatenate(pywt.dwt(np.eye(n), wavelet, mode="periodization", axis=0)))


class Wavelets(Composite):
    r"""The 1-norm of the details of an orthogonal wavelet transform, :math:`R(x) = \|W x\|_1`.

    The averages of the coarsest level are free, so that grey values are not drawn to 0.

    Parameters
    ----------
    lam : float or (B,) tensor, >= 0
    wavelet : str
        An orthogonal wavelet of PyWavelets: "haar", "db2", "db4", "sym4", "coif1", ...
    levels : int, optional
        Default: as many as the sides of the image, and the length of the wavelet, allow.
    bounds : (low, high), optional
        Grey values outside are forbidden; (0, math.inf) is non-negativity.

    Raises
    ------
    ValueError
        A wavelet that is not known or not orthogonal; an image whose sides are not divisible by 2^levels, or are
        shorter than the wavelet.

    Source
    ------
    Daubechies, Defrise, De Mol, Commun. Pure Appl. Math. 57 (2004); Mallat, A Wavelet Tour of Signal Processing.
    The filters and the periodic extension are those of PyWavelets.

    Example
    -------
    >>> R = Wavelets(0.1, "haar", levels=1)
    >>> x = torch.tensor([[1.0, 1.0], [1.0, 3.0]]).reshape(1, 1, 2, 2)
    >>> R.K(x)[0, 0].round(decimals=3).tolist(), round(float(R(x)), 3)
    ([[3.0, -1.0], [-1.0, 1.0]], 3.0)
    >>> R.prox(x, tau=1.0).flatten()
    tensor([1.5000, 1.5000, 1.5000, 1.5000])
    """

    def __init__(
        self,
        lam: float | Tensor,
        wavelet: str = "db4",
        levels: int | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(lam, bounds)
        if check_text("wavelet", wavelet) not in ORTHOGONAL:
            raise ValueError(f"'wavelet' must be an orthogonal one of PyWavelets, such as 'db4', got {wavelet!r}")
        self.wavelet = wavelet
        self.levels = levels if levels is None else check_count("levels", levels)

    @property
    def closed_prox(self) -> bool:
        return self.bounds is None

    def depth(self, size: tuple[int, int]) -> int:
        """Levels of the transform of an image of that size, checked."""
        length = pywt.Wavelet(self.wavelet).dec_len
        if self.levels is not None:
            if any(side % 2**self.levels for side in size) or min(size) < length:
                raise ValueError(
                    f"'levels' = {self.levels} and 'wavelet' = {self.wavelet!r} need sides divisible by "
                    f"{2**self.levels} and at least {length} pixels, got an image of {size[0]} x {size[1]}"
                )
            return self.levels
        halvings = min(next(k for k in range(64) if side % 2 ** (k + 1)) for side in size)
        levels = min(halvings, pywt.dwt_max_level(min(size), length))
        if levels < 1:
            raise ValueError(
                f"'wavelet' = {self.wavelet!r} has {length} coefficients and needs even sides of at least "
                f"{2 * (length - 1)} pixels, got an image of {size[0]} x {size[1]}"
            )
        return levels

    def K(self, v: Tensor) -> Tensor:
        """The coefficients W x, the averages of the coarsest level in the upper left corner, shaped like x."""
        check_tensor("x", v, (None, 1, None, None))
        check_entries("x", v)
        k, (h, w) = v.clone(), v.shape[2:]
        for _ in range(self.depth((h, w))):
            rows, columns = (_one_level(self.wavelet, side).to(v) for side in (h, w))
            k[..., :h, :w] = rows @ k[..., :h, :w].clone() @ columns.T
            h, w = h // 2, w // 2
        return k

    def KT(self, q: Tensor) -> Tensor:
        """The image of given coefficients, the inverse of ``K``."""
        check_tensor("q", q, (None, 1, None, None))
        x, (h, w) = q.clone(), q.shape[2:]
        for level in reversed(range(self.depth((h, w)))):
            sides = h >> level, w >> level
            rows, columns = (_one_level(self.wavelet, side).to(q) for side in sides)
            part = (..., slice(sides[0]), slice(sides[1]))
            x[part] = rows.T @ x[part].clone() @ columns
        return x

    def details(self, k: Tensor) -> Tensor:
        """1 for details and 0 for averages, in the shape of one image."""
        h, w = k.shape[2:]
        level = self.depth((h, w))
        mask = torch.ones(h, w, dtype=k.dtype, device=k.device)
        mask[: h >> level, : w >> level] = 0
        return mask

    def size(self, k: Tensor) -> Tensor:
        return (k.abs() * self.details(k)).flatten(1).sum(1)

    def dual_step(self, q: Tensor, lam: Tensor, sigma: Tensor) -> Tensor:
        radius = lam * self.details(q)
        return torch.clamp(q, -radius, radius)

    def prox(self, x: Tensor, tau: float | Tensor, **settings) -> Tensor:
        """Soft thresholding of the details; with bounds, as for every regulariser of this form."""
        if self.bounds is not None:
            return super().prox(x, tau, **settings)
        tau = check_prox(x, tau)
        k = self.K(x)
        return self.KT(shrink(k, torch.as_tensor(tau).to(x) * self.details(k)))
