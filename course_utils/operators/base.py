"""What every forward operator can do: ``A(x)``, its exact adjoint ``A.T(y)``, its norm, its singular values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .._check import (
    check_count,
    check_entries,
    check_finite,
    check_generator,
    check_kind,
    check_nonnegative,
    check_nonnegative_entries,
    check_number,
    check_positive,
    check_seed,
    check_tensor,
)
from .kept import Kept
from .spectrum import SVD, MatrixSpectrum, Spectrum

__all__ = [
    "LinearOperator", "add_noise", "dot_test", "measure", "operator_norm", "poisson_noise", "spectral_norm",
]  # fmt: skip

#: A matrix of more entries is not decomposed: U and V would take gigabytes.
LARGEST_MATRIX = 100_000_000


class LinearOperator(nn.Module):
    """A linear forward operator between batches of images and batches of data; those of the course have norm 1.

    A subclass stores its tensors as buffers, so that ``A.to(device)`` and ``A.double()`` work, and implements
    ``_forward`` and ``_adjoint``.  If it knows its norm it says so; if not, the norm is measured when a solver asks.
    That norm and the singular values are kept until the tensors change.

    Attributes
    ----------
    shape_in, shape_out : tuples of int
        Shapes of one image (1, H, W) and of one data set, without the batch axis.
    scale : float
        The unscaled operator was multiplied by this to reach norm 1.
    norm : float
        Spectral norm of the operator as it stands, on which step sizes rest.
    """

    def __init__(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], scale: float, norm: float | None = None
    ) -> None:
        super().__init__()
        self._norm = None if norm is None else float(check_nonnegative("norm", norm))
        for name, shape in (("shape_in", shape_in), ("shape_out", shape_out)):
            for length in check_kind(name, shape, (tuple, list), "a tuple of integers"):
                check_count(name, length)
        scale = float(check_number("scale", scale))
        self.shape_in, self.shape_out, self.scale = tuple(shape_in), tuple(shape_out), scale
        self._kept = Kept()

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _adjoint(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """A x: ``(B, *shape_in)`` -> ``(B, *shape_out)``, differentiable.

        Raises
        ------
        TypeError, ValueError
            Wrong shape, dtype or device of ``x``, NaN in it.
        """
        check_tensor("x", x, (None, *self.shape_in), like=self.like)
        check_entries("x", x)
        return self._forward(x)

    def T(self, y: Tensor) -> Tensor:
        """The adjoint: ``(B, *shape_out)`` -> ``(B, *shape_in)``, with <A x, y> = <x, A.T y> to round-off.

        Raises
        ------
        TypeError, ValueError
            Wrong shape, dtype or device of ``y``, NaN in it.
        """
        check_tensor("y", y, (None, *self.shape_out), like=self.like)
        check_entries("y", y)
        return self._adjoint(y)

    def normal(self, x: Tensor) -> Tensor:
        """A^T A x: ``(B, *shape_in)`` -> ``(B, *shape_in)``.

        Raises
        ------
        TypeError, ValueError
            Wrong shape, dtype or device of ``x``, NaN in it.
        """
        check_tensor("x", x, (None, *self.shape_in), like=self.like)
        check_entries("x", x)
        return self._normal(x)

    def _normal(self, x: Tensor) -> Tensor:
        return self._adjoint(self._forward(x))

    @property
    def like(self) -> Tensor:
        """A tensor of the operator, which tells its dtype and device."""
        return next(self.buffers())

    @property
    def norm(self) -> float:
        if self._norm is not None:
            return self._norm
        kept = self._kept.of(self)
        if "norm" not in kept:
            kept["norm"] = spectral_norm(self)
        return kept["norm"]

    @property
    def n(self) -> int:
        """Number of pixels of one image."""
        return math.prod(self.shape_in)

    @property
    def m(self) -> int:
        """Number of data of one measurement."""
        return math.prod(self.shape_out)

    def matrix(self) -> Tensor:
        """The operator as a dense (m, n) matrix; for small problems and for teaching."""
        identity = torch.eye(self.n, dtype=self.like.dtype, device=self.like.device)
        with torch.no_grad():
            return self._forward(identity.reshape(-1, *self.shape_in)).reshape(self.n, self.m).T

    def svd(self) -> SVD:
        """Thin singular value decomposition, computed once in float64 and kept until the tensors change.

        Beyond five million matrix entries it goes through the eigenvectors of A^T A, so that singular values
        below about 1e-7 of the largest are only known to be small.

        Raises
        ------
        ValueError
            The matrix is too large.
        """
        kept = self._kept.of(self)
        if "svd" not in kept:
            kept["svd"] = SVD(*(part.to(self.like) for part in self._decomposed()))
        return kept["svd"]

    def _decomposed(self) -> SVD:
        if self.m * self.n > LARGEST_MATRIX:
            raise ValueError(
                f"the singular value decomposition of a {self.m} x {self.n} matrix is out of reach: "
                "take a solver without it ('cg', 'paper')"
            )
        matrix = self.double_matrix()
        if matrix.numel() <= 5_000_000 or self.m < self.n:
            u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
            return SVD(u, s, vt.T.contiguous())
        values, vectors = torch.linalg.eigh(matrix.T @ matrix)
        s, v = values.flip(0).clamp_min(0).sqrt(), vectors.flip(1)
        return SVD(matrix @ v / s.clamp_min(1e-12), s, v.contiguous())

    @property
    def decomposes(self) -> bool:
        """Whether ``spectrum()`` is within reach."""
        return self.m * self.n <= LARGEST_MATRIX

    def spectrum(self) -> Spectrum:
        """The singular values and the maps to the singular vectors; fast transforms where an operator has them."""
        return MatrixSpectrum(self.svd(), self.shape_in)

    def double_matrix(self) -> Tensor:
        """``matrix()`` in float64 where the device has it."""
        matrix = self.matrix()
        return matrix if matrix.device.type == "mps" else matrix.double()

    def __repr__(self) -> str:
        norm = f"norm {self.norm:.4g}, scale {self.scale:.4g}"
        return f"{type(self).__name__}({self.shape_in} -> {self.shape_out}, {norm})"


def check_operator(A, adjoint: bool = False) -> None:
    """Raise unless ``A`` is an operator: A(x), shapes, and A.T(y) if ``adjoint``; it need not be a LinearOperator."""
    needed = ("shape_in", "shape_out", *["T"] * adjoint)
    if not callable(A) or not all(hasattr(A, name) for name in needed):
        raise TypeError(f"'A' must be a LinearOperator, got {type(A).__name__}")


def dot_test(A: LinearOperator, seed: int = 0, n_tests: int = 4) -> float:
    r"""Largest relative error of :math:`\langle Ax, y\rangle = \langle x, A^*y\rangle` over random x and y.

    Parameters
    ----------
    A : LinearOperator
        Or anything with ``shape_in``, ``shape_out``, ``like``, ``A(x)`` and ``A.T(y)``.
    seed : int
    n_tests : int

    Returns
    -------
    float
        Far below 1e-15 for an exact adjoint in float64, and below 1e-6 in float32, because round-off alone remains.
        A wrong one scores about its relative error divided by sqrt(m), 1e-1 to 1e-5, and not a number near 1:
        two random vectors of length m are nearly orthogonal.

    Source
    ------
    Claerbout, "Earth Soundings Analysis"; derived in chapter 01.

    Example
    -------
    >>> from course_utils.operators import GaussianBlur
    >>> dot_test(GaussianBlur(28).double()) < 1e-14
    True
    """
    check_operator(A, adjoint=True)
    n_tests = check_count("n_tests", n_tests)
    generator = torch.Generator().manual_seed(check_seed("seed", seed))
    like = A.like

    def draw(shape):
        return torch.randn(n_tests, *shape, generator=generator, dtype=torch.float64).to(like)

    x, y = draw(A.shape_in), draw(A.shape_out)
    with torch.no_grad():
        ax, aty = A(x), A.T(y)
    left, right = (ax * y).flatten(1).sum(1), (x * aty).flatten(1).sum(1)
    size = ax.flatten(1).norm(dim=1) * y.flatten(1).norm(dim=1)
    error = (left - right).abs()
    return float(torch.where(error == 0, 0.0, error / size).max())


def operator_norm(A: LinearOperator, n_iter: int = 200, seed: int = 0) -> float:
    """Spectral norm by ``n_iter`` steps of the power iteration on A^T A (a lower bound that rises to it).

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> round(operator_norm(Identity(28)), 6)
    1.0
    """
    check_operator(A, adjoint=True)
    n_iter = check_count("n_iter", n_iter)
    generator = torch.Generator().manual_seed(check_seed("seed", seed))
    x = torch.randn(1, *A.shape_in, generator=generator, dtype=torch.float64).to(A.like)
    value = 0.0
    with torch.no_grad():
        for _ in range(n_iter):
            x = x / x.norm()
            ax = A(x)
            value = float(ax.norm())
            if value == 0:
                break
            x = A.T(ax)
    return value


@torch.no_grad()
def spectral_norm(A: LinearOperator, tol: float = 1e-9, max_iter: int = 5_000) -> float:
    """The largest singular value: exact for a small operator, else by power iteration until it moves by less than tol.

    The power iteration rises to the norm from below; where it stops, the norm is larger by a relative amount that is
    about ``tol`` over the relative gap to the next singular value.
    """
    check_kind("A", A, LinearOperator)
    tol, max_iter = check_nonnegative("tol", tol), check_count("max_iter", max_iter)
    if A.m * A.n <= 4_000_000:
        return float(torch.linalg.matrix_norm(A.double_matrix(), 2))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *A.shape_in, generator=generator, dtype=torch.float64).to(A.like)
    value = 0.0
    for _ in range(max_iter):
        x = x / x.norm()
        ax = A(x)
        before, value = value, float(ax.norm())
        if value - before <= tol * value:
            break
        x = A.T(ax)
    return value


def add_noise(y: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """y + sigma e with e ~ N(0, I): white Gaussian noise of standard deviation ``sigma``, in units of the data.

    Raises
    ------
    ValueError
        ``sigma`` is negative or not finite, or ``y`` holds NaN.

    Example
    -------
    >>> y = torch.zeros(1, 100_000)
    >>> round(float(add_noise(y, 0.1, torch.Generator().manual_seed(0)).std()), 3)
    0.1
    """
    sigma = check_nonnegative("sigma", sigma)
    check_tensor("y", y)
    check_finite("y", y)
    check_generator(generator)
    noise = torch.randn(y.shape, generator=generator, device=generator.device, dtype=y.dtype)
    return y + sigma * noise.to(y.device)


def measure(A: LinearOperator, x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Simulated data y = A x + sigma e, eq. (1) with noise.

    Parameters
    ----------
    A : LinearOperator
    x : (B, *A.shape_in) tensor
    sigma : float >= 0
        Noise standard deviation in data units; A has norm 1, so this is comparable between operators.
    generator : torch.Generator

    Returns
    -------
    (B, *A.shape_out) tensor

    Raises
    ------
    TypeError, ValueError
        Wrong ``x``, negative ``sigma``, NaN.

    Example
    -------
    >>> from course_utils.operators import Identity
    >>> y = measure(Identity(100), torch.zeros(1, 1, 100, 100), 0.1, torch.Generator().manual_seed(0))
    >>> y.shape, round(float(y.std()), 2)
    (torch.Size([1, 1, 100, 100]), 0.1)
    """
    check_operator(A)
    with torch.no_grad():
        return add_noise(A(x), sigma, generator)


def poisson_noise(y: Tensor, counts: float, generator: torch.Generator) -> Tensor:
    """Counting noise: Poisson(counts * y) / counts for intensities y >= 0; small ``counts`` is noisy.

    The model of emission tomography (PET): the variance of a datum is its mean divided by ``counts``.

    Raises
    ------
    ValueError
        Negative ``y``, or ``counts`` not positive.

    Example
    -------
    >>> y = torch.full((1, 100_000), 2.0)
    >>> round(float(poisson_noise(y, 50.0, torch.Generator().manual_seed(0)).var()), 2)
    0.04
    """
    counts = check_positive("counts", counts)
    check_tensor("y", y)
    check_nonnegative_entries("y", y)
    check_generator(generator)
    return torch.poisson((counts * y).to(generator.device), generator=generator).to(y.device) / counts
