r"""Gaussian images whose precision matrix has a Cholesky factor with a local stencil: all exact, no dense matrix.

N(0, Sigma) on images of H x W pixels in raster order (row by row), with

.. math:: \Sigma^{-1} = L L^\top, \qquad
          (L^\top v)_j = d_j \Big( v_j + \sum_{o} a_o(j)\, v_{j+o} \Big), \qquad d_j = e^{\ell_j} > 0,

where o runs over the neighbours within k x k pixels that come later in raster order: 4 for k = 3, 12 for k = 5.
So L is lower triangular, and seen from the last pixel to the first the image is an autoregression: given all later
pixels, pixel j has mean - sum_o a_o(j) v_{j+o} and standard deviation 1 / d_j.

>>> field = LocalPrecision(torch.full((1, 1, 8, 8), 2.0), torch.zeros(1, 0, 8, 8))  # no neighbours: independent pixels
>>> field.log_det(), field.quadratic(torch.ones(1, 1, 8, 8)).round()
(tensor([-256.]), tensor([3494.]))
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from .._check import check_count, check_entries, check_generator, check_tensor

__all__ = ["LocalPrecision", "later_neighbours"]


def later_neighbours(width: int) -> list[tuple[int, int]]:
    """Offsets (row, column) of the pixels within width x width that come later in raster order.

    Example
    -------
    >>> later_neighbours(3)
    [(0, 1), (1, -1), (1, 0), (1, 1)]
    """
    width = check_count("width", width)
    if width % 2 == 0:
        raise ValueError(f"'width' must be odd, got {width}")
    p = width // 2
    return [(r, c) for r in range(p + 1) for c in range(-p, p + 1) if r > 0 or c > 0]


class LocalPrecision:
    r"""B Gaussians N(0, Sigma) on images, each with its own local Cholesky factor L of the precision.

    Products with L and L^T, the quadratic form and log det cost one pass over the stencil.  Samples and products with
    Sigma are triangular solves, by fronts of pixels that do not depend on each other; they carry no gradient.

    Parameters
    ----------
    log_diagonal : (B, 1, H, W) tensor
        l, the logarithm of the diagonal of L: minus the log standard deviation of a pixel given the later ones.
    coefficients : (B, m, H, W) tensor
        a, in the order of ``later_neighbours(k)``, so m = (k^2 - 1) / 2: 0, 4, 12, 24 ...  Those that point outside
        the image play no part.

    Raises
    ------
    TypeError, ValueError
        Wrong shapes, a number of channels that belongs to no k.

    Source
    ------
    Dorta et al., CVPR 2018 (structured uncertainty prediction networks), who take L itself as a stencil; dividing it
    by its diagonal is the modified Cholesky factor of Pourahmadi, Biometrika 86 (1999).
    """

    def __init__(self, log_diagonal: Tensor, coefficients: Tensor) -> None:
        check_tensor("log_diagonal", log_diagonal, (None, 1, None, None))
        B, _, H, W = log_diagonal.shape
        check_tensor("coefficients", coefficients, (B, None, H, W), like=log_diagonal)
        check_entries("log_diagonal", log_diagonal)
        check_entries("coefficients", coefficients)
        self.width = math.isqrt(2 * coefficients.shape[1] + 1)
        self.neighbours = later_neighbours(self.width) if self.width % 2 else []
        if len(self.neighbours) != coefficients.shape[1]:
            raise ValueError(
                f"'coefficients' must have (k^2 - 1) / 2 channels for an odd k (0, 4, 12, 24 ...), "
                f"got {coefficients.shape[1]}"
            )
        self.log_diagonal, self.coefficients = log_diagonal, coefficients

    def __len__(self) -> int:
        return len(self.log_diagonal)

    def __repr__(self) -> str:
        B, _, H, W = self.log_diagonal.shape
        return f"LocalPrecision({B} of {H}x{W} pixels, stencil {self.width}x{self.width})"

    def select(self, index: Tensor | slice) -> LocalPrecision:
        """Those at ``index``."""
        return LocalPrecision(self.log_diagonal[index], self.coefficients[index])

    def _check(self, name: str, v: Tensor) -> None:
        B, _, H, W = self.log_diagonal.shape
        check_tensor(name, v, (None if B == 1 else B, 1, H, W), like=self.log_diagonal)
        check_entries(name, v)

    def log_det(self) -> Tensor:
        """log det Sigma = -2 sum_j l_j, exact: (B,)."""
        return -2 * self.log_diagonal.flatten(1).sum(1)

    def whiten(self, v: Tensor) -> Tensor:
        """L^T v, standard normal if v is drawn from N(0, Sigma): (B, 1, H, W) -> (B, 1, H, W), differentiable.

        Of one Gaussian (B = 1) the products take any number of images.
        """
        self._check("v", v)
        return self.log_diagonal.exp() * self._predicted(v)

    def _predicted(self, v: Tensor) -> Tensor:
        """v_j + sum_o a_o(j) v_{j+o}."""
        p, (H, W) = self.width // 2, v.shape[2:]
        padded, total = functional.pad(v, (p, p, 0, p)), v
        for o, (r, c) in enumerate(self.neighbours):
            total = total + self.coefficients[:, o : o + 1] * padded[..., r : r + H, p + c : p + c + W]
        return total

    def colour(self, v: Tensor) -> Tensor:
        """L v: (B, 1, H, W) -> (B, 1, H, W), the adjoint of ``whiten``."""
        self._check("v", v)
        p, (H, W) = self.width // 2, v.shape[2:]
        v = self.log_diagonal.exp() * v
        total = functional.pad(v, (p, p, 0, p))
        for o, (r, c) in enumerate(self.neighbours):
            total[..., r : r + H, p + c : p + c + W] += self.coefficients[:, o : o + 1] * v
        return total[..., :H, p : p + W]

    def quadratic(self, v: Tensor) -> Tensor:
        """v^T Sigma^-1 v = ||L^T v||^2: (B, 1, H, W) -> (B,), differentiable."""
        return self.whiten(v).flatten(1).pow(2).sum(1)

    def precision(self, v: Tensor) -> Tensor:
        """Sigma^-1 v = L L^T v: (B, 1, H, W) -> (B, 1, H, W)."""
        return self.colour(self.whiten(v))

    def precision_diagonal(self) -> Tensor:
        """The diagonal of Sigma^-1, the sum of the squares in each row of L: (B, 1, H, W)."""
        p, d2 = self.width // 2, (2 * self.log_diagonal).exp()
        H, W = d2.shape[2:]
        total = functional.pad(d2, (p, p, 0, p))
        for o, (r, c) in enumerate(self.neighbours):
            total[..., r : r + H, p + c : p + c + W] += self.coefficients[:, o : o + 1].pow(2) * d2
        return total[..., :H, p : p + W]

    def negative_log_likelihood(self, v: Tensor) -> Tensor:
        """-log N(v; 0, Sigma) without the constant n/2 log(2 pi): (B, 1, H, W) -> (B,), differentiable."""
        return 0.5 * (self.quadratic(v) + self.log_det())

    @torch.no_grad()
    def sample(self, generator: torch.Generator, n: int | None = None) -> Tensor:
        """Exact draws from N(0, Sigma), by solving L^T v = e with e ~ N(0, I).

        Parameters
        ----------
        generator : torch.Generator
        n : int, optional
            Of one Gaussian (B = 1): so many draws.  Default: one draw of each.

        Returns
        -------
        (B, 1, H, W) or (n, 1, H, W) tensor
        """
        if n is not None:
            n = check_count("n", n)
            if len(self) != 1:
                raise ValueError(f"'n' is for one Gaussian, here are {len(self)}: select one, or leave 'n' out")
        check_generator(generator)
        like = self.log_diagonal
        e = torch.randn(n or len(self), *like.shape[1:], generator=generator, device=generator.device, dtype=like.dtype)
        return self.solve_whiten(e.to(like.device))

    @torch.no_grad()
    def solve_whiten(self, e: Tensor) -> Tensor:
        """v with L^T v = e, from the last pixel to the first: (B, 1, H, W) -> (B, 1, H, W)."""
        self._check("e", e)
        return self._solve_unit(e * (-self.log_diagonal).exp(), self.coefficients)

    @torch.no_grad()
    def solve_colour(self, e: Tensor) -> Tensor:
        """v with L v = e, from the first pixel to the last: (B, 1, H, W) -> (B, 1, H, W)."""
        self._check("e", e)
        p, (H, W) = self.width // 2, e.shape[2:]
        # In the image turned by 180 degrees L is L^T again; its coefficients are those of the pixel they came from.
        padded = functional.pad(self.coefficients, (p, p, p, 0))
        turned = [
            padded[:, o, p - r : p - r + H, p - c : p - c + W].flip(1, 2) for o, (r, c) in enumerate(self.neighbours)
        ]
        a = torch.stack(turned, 1) if turned else self.coefficients
        return self._solve_unit(e.flip(2, 3), a).flip(2, 3) * (-self.log_diagonal).exp()

    def _solve_unit(self, e: Tensor, a: Tensor) -> Tensor:
        """v with v_j + sum_o a_o(j) v_{j+o} = e_j: a front of pixels at a time, in which none needs another."""
        if not self.neighbours:
            return e
        order, fronts, neighbours = _fronts(*e.shape[2:], self.width)
        order, neighbours = order.to(e.device), neighbours.to(e.device)
        e = e.flatten(1).T[order]  # (n, B): pixels in the order in which they are solved
        a = a.flatten(2).permute(1, 2, 0)[:, order]  # (m, n, B or 1)
        v = torch.cat([e, e.new_zeros(1, e.shape[1])])  # the last row stands for all pixels outside the image
        for start, stop in fronts:
            near = v[neighbours[:, start:stop]]  # (m, pixels of the front, B)
            v[start:stop] -= (a[:, start:stop] * near).sum(0)
        return v[torch.argsort(order)].T.reshape(e.shape[1], 1, *self.log_diagonal.shape[2:])

    def covariance(self, v: Tensor) -> Tensor:
        """Sigma v, by two triangular solves: (B, 1, H, W) -> (B, 1, H, W), without gradient."""
        self._check("v", v)
        return self.solve_whiten(self.solve_colour(v))

    def covariance_of(self, row: int, column: int) -> Tensor:
        """The covariance of one pixel with all others, Sigma e_i as an image: (B, 1, H, W).

        Raises
        ------
        TypeError, ValueError
            A pixel outside the image.
        """
        H, W = self.log_diagonal.shape[2:]
        for name, value, size in (("row", row, H), ("column", column, W)):
            check_count(name, value, minimum=0)
            if value >= size:
                raise ValueError(f"'{name}' must be less than {size}, got {value}")
        e = torch.zeros_like(self.log_diagonal)
        e[..., row, column] = 1
        return self.covariance(e)

    @torch.no_grad()
    def variance(self) -> Tensor:
        """The diagonal of Sigma, exact: (B, 1, H, W).  About a second for 128 x 128 pixels.

        Goes from the last pixel to the first and keeps the covariances among those that earlier pixels still see.
        """
        B, _, H, W = self.log_diagonal.shape
        p, variance = self.width // 2, (-2 * self.log_diagonal).exp().flatten(1)
        if not self.neighbours:
            return variance.reshape(B, 1, H, W)
        a = functional.pad(self.coefficients, (p, p, 0, p))
        inside = functional.pad(torch.ones_like(self.log_diagonal[:1]), (p, p, 0, p))
        a = torch.cat(
            [
                a[:, o : o + 1, :H, p : p + W] * inside[..., r : r + H, p + c : p + c + W]
                for o, (r, c) in enumerate(self.neighbours)
            ],
            1,
        ).flatten(2)  # (B, m, n), 0 where the neighbour is outside
        shifts = torch.tensor([r * W + c for r, c in self.neighbours], device=a.device)
        window = p * W + p + 1
        near = variance.new_zeros(B, window, window)
        for j in range(H * W - 1, -1, -1):
            seen = (j + shifts) % window
            row = -(a[:, :, j, None] * near[:, seen]).sum(1)  # covariances of pixel j with the window: (B, window)
            variance[:, j] -= (a[:, :, j] * row[:, seen]).sum(1)
            place = j % window
            row[:, place] = variance[:, j]
            near[:, place], near[:, :, place] = row, row
        return variance.reshape(B, 1, H, W)


@functools.lru_cache(maxsize=8)
def _fronts(H: int, W: int, width: int) -> tuple[Tensor, list[tuple[int, int]], Tensor]:
    """In which order the pixels are solved, in which pieces, and where the neighbours of each stand in that order.

    Front t holds the pixels with (p + 1) (H - 1 - row) + (W - 1 - column) = t: all their neighbours are in earlier
    ones.

    Returns
    -------
    order : (n,) raster numbers of the pixels
    fronts : list of (start, stop) in that order
    neighbours : (m, n) positions in that order; n for a neighbour outside the image
    """
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    time = ((width // 2 + 1) * (H - 1 - rows) + (W - 1 - columns)).flatten()
    order = torch.argsort(time, stable=True)
    ends = torch.bincount(time).cumsum(0).tolist()
    position = torch.empty_like(order)
    position[order] = torch.arange(H * W)
    neighbours = []
    for r, c in later_neighbours(width):
        inside = (rows + r < H) & (columns + c >= 0) & (columns + c < W)
        target = ((rows + r) * W + columns + c).where(inside, torch.zeros_like(rows)).flatten()
        neighbours.append(torch.where(inside.flatten(), position[target], H * W)[order])
    fronts = [(a, b) for a, b in zip([0, *ends], ends, strict=False) if b > a]
    return order, fronts, torch.stack(neighbours)
