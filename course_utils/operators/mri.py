"""Magnetic resonance imaging: Cartesian samples of the Fourier transform, seen by one coil or by several.

k-space is complex, but every solver of the course works with real tensors, so data hold real and imaginary parts
along an axis of length 2.  ``measure`` therefore adds noise of standard deviation ``sigma`` to the real and, just as
much, to the imaginary part of every sample; as a complex number its standard deviation is sqrt(2) sigma.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from .._check import check_finite, check_tensor, default
from .base import LinearOperator
from .kspace import check_corner, check_mask, fourier, inverse_fourier

__all__ = ["MaskedFourier", "MultiCoil"]


class _Sampled(LinearOperator):
    """What one coil and several have in common: which entries of k-space are kept, and in which form."""

    def __init__(self, mask: Tensor, coils: tuple[int, ...], norm: float) -> None:
        check_mask(mask)
        super().__init__((1, *mask.shape), (*coils, 2, int(mask.sum())), scale=1 / norm, norm=1.0)
        self.register_buffer("index", mask.flatten().nonzero().squeeze(1))
        self.register_buffer("factor", torch.tensor(self.scale))

    @property
    def like(self) -> Tensor:
        return self.factor

    @property
    def fraction(self) -> float:
        """The part of k-space that is sampled, in (0, 1]."""
        return len(self.index) / self.n

    @property
    def mask(self) -> Tensor:
        """(size, size) bool tensor, the zero frequency at [0, 0]."""
        mask = torch.zeros(self.n, dtype=torch.bool, device=self.index.device)
        mask[self.index] = True
        return mask.reshape(self.shape_in[1:])

    @property
    def coils(self) -> int:
        """Number of coils."""
        return self.shape_out[0] if len(self.shape_out) == 3 else 1

    def sample(self, kspace: Tensor) -> Tensor:
        """Data from a full k-space, a measured one say: (B, coils, size, size) complex -> (B, *shape_out) real.

        The samples are multiplied by ``scale``, as A x is.

        Raises
        ------
        TypeError, ValueError
            Not complex, another shape than that of mask and coils, another device or precision, NaN at a sample, the
            zero frequency in the middle.
        """
        if not isinstance(kspace, Tensor) or not kspace.is_complex():
            raise TypeError(f"'kspace' must be a complex tensor, got {getattr(kspace, 'dtype', type(kspace).__name__)}")
        shape = (self.coils, *self.shape_in[1:])
        if kspace.ndim != 4 or kspace.shape[1:] != shape:
            want = ", ".join(map(str, shape))
            raise ValueError(f"'kspace' must have shape (B, {want}), as mask and coils, got {tuple(kspace.shape)}")
        if kspace.real.dtype != self.like.dtype:
            raise TypeError(f"'kspace' must have parts of dtype {self.like.dtype}, got {kspace.real.dtype}")
        if kspace.device != self.like.device:
            raise ValueError(f"'kspace' must be on device {self.like.device}, got {kspace.device}")
        y = self._pick(kspace).reshape(len(kspace), *self.shape_out)
        check_finite("kspace", y)
        check_corner("kspace", kspace)
        return y

    def fill(self, y: Tensor) -> Tensor:
        """The k-space that has the data where they were taken and 0 elsewhere: the adjoint of ``sample``, unscaled.

        (B, *shape_out) real -> (B, coils, size, size) complex.
        """
        check_tensor("y", y, (None, *self.shape_out), like=self.like)
        check_finite("y", y)
        return self._put(y.reshape(len(y), self.coils, 2, -1)) / self.factor

    def _pick(self, kspace: Tensor) -> Tensor:
        """(B, coils, size, size) complex -> (B, coils, 2, k), scaled."""
        kept = kspace.flatten(2)[..., self.index]
        return self.factor * torch.stack([kept.real, kept.imag], dim=2)

    def _put(self, y: Tensor) -> Tensor:
        """(B, coils, 2, k) -> (B, coils, size, size) complex, not scaled."""
        kept = torch.complex(y[:, :, 0], y[:, :, 1])
        empty = torch.zeros(*y.shape[:2], self.n, dtype=kept.dtype, device=y.device)
        return empty.index_copy(2, self.index, kept).reshape(*y.shape[:2], *self.shape_in[1:])

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {self.fraction:.1%} of k-space)"


class MaskedFourier(_Sampled):
    r"""One coil: the entries of the unitary 2-D Fourier transform that ``mask`` keeps, :math:`Ax = c\,MFx`.

    Data are real: shape (B, 2, k) holds real and imaginary part of the k kept coefficients.  The images are real too,
    as in the paper, and so is the adjoint, :math:`A^*y = c\,\mathrm{Re}\,F^*M^*y`.

    Parameters
    ----------
    mask : (size, size) bool tensor
        True where k-space is sampled; the zero frequency is entry [0, 0], as ``cartesian_mask`` and ``radial_mask``
        have it.

    Attributes
    ----------
    fraction : float
        The part of k-space that is sampled.

    Raises
    ------
    TypeError, ValueError
        Not a square bool tensor, or nothing is sampled.

    Source
    ------
    Paper, Sect. 5.5; lectures, part II.2.

    Example
    -------
    >>> mask = torch.zeros(28, 28, dtype=torch.bool)
    >>> mask[:, :7] = True
    >>> MaskedFourier(mask)
    MaskedFourier((1, 28, 28) -> (2, 196), norm 1, scale 1, 25.0% of k-space)
    """

    decomposes = True

    def __init__(self, mask: Tensor) -> None:
        check_mask(mask)
        # On real images A^T A multiplies frequency f by (mask(f) + mask(-f)) / 2: that is 1 somewhere, or 1/2.
        norm = 1.0 if (mask & _mirrored(mask)).any() else 0.5**0.5
        super().__init__(mask, (), norm)

    def _forward(self, x: Tensor) -> Tensor:
        return self._pick(fourier(x))[:, 0]

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.factor * inverse_fourier(self._put(y[:, None])).real

    def spectrum(self) -> HartleySpectrum:
        """Exact and fast: the right singular vectors are the rows of the Hartley transform."""
        return HartleySpectrum(self)


def _mirrored(mask: Tensor) -> Tensor:
    """mask(-f) for every frequency f."""
    return mask.flip(0, 1).roll((1, 1), (0, 1))


class HartleySpectrum:
    r"""The spectrum of ``MaskedFourier``, through the Hartley transform :math:`Hx = \mathrm{Re}\,Fx-\mathrm{Im}\,Fx`.

    H is real, orthogonal and its own inverse, and a weight w on frequencies with w(f) = w(-f), such as
    :math:`A^*A = \mathrm{Re}\,F^*MF`, is diagonal in it: :math:`S^2 = c^2(M(f)+M(-f))/2`.
    """

    def __init__(self, A: MaskedFourier) -> None:
        self.A = A
        weight = (A.mask.to(A.like) + _mirrored(A.mask).to(A.like)).flatten() / 2
        self.index = weight.nonzero().squeeze(1)
        self.S = A.factor * weight[self.index].sqrt()

    def _hartley(self, x: Tensor) -> Tensor:
        c = fourier(x)
        return c.real - c.imag

    def of_data(self, y: Tensor) -> Tensor:
        return self.of_image(self.A.T(y)) / self.S

    def of_image(self, x: Tensor) -> Tensor:
        return self._hartley(x).flatten(1)[:, self.index]

    def image(self, c: Tensor) -> Tensor:
        empty = torch.zeros(len(c), self.A.n, dtype=c.dtype, device=c.device)
        return self._hartley(empty.index_copy(1, self.index, c).reshape(-1, *self.A.shape_in))


class MultiCoil(_Sampled):
    r"""Several coils: each sees the image through its own sensitivity, :math:`(Ax)_c = a\,MF(s_c x)`.

    Data are real: shape (B, coils, 2, k) holds real and imaginary parts.  The maps are divided by
    :math:`(\sum_c|s_c|^2)^{1/2}` wherever that is not 0, so that a full k-space gives :math:`A^*A = a^2 I` there; what
    no coil sees is in the null space.  On real images :math:`A^*y = a\,\mathrm{Re}\sum_c\bar s_cF^*M^*y_c`, and
    a = ``scale`` makes the norm 1; without it the norm is at most 1, and nearly 1 if the low frequencies are sampled.

    Parameters
    ----------
    mask : (size, size) bool tensor
        True where k-space is sampled; the zero frequency is entry [0, 0].
    maps : (coils, size, size) complex tensor
        Coil sensitivities, from ``simulate_coil_maps`` or ``estimate_coil_maps``.

    Raises
    ------
    TypeError, ValueError
        A mask that samples nothing; maps of another shape, NaN in them, or maps that are 0 everywhere.

    Source
    ------
    Pruessmann et al., Magnetic Resonance in Medicine 42 (1999); lectures, part II.2.

    Example
    -------
    >>> from course_utils.operators import radial_mask, simulate_coil_maps
    >>> A = MultiCoil(radial_mask(32, 9), simulate_coil_maps(32, 4))
    >>> A.shape_out[:2], A(torch.ones(2, 1, 32, 32)).shape == (2, *A.shape_out)
    ((4, 2), True)
    """

    def __init__(self, mask: Tensor, maps: Tensor) -> None:
        check_mask(mask)
        if not isinstance(maps, Tensor) or not maps.is_complex():
            raise TypeError(f"'maps' must be a complex tensor, got {getattr(maps, 'dtype', type(maps).__name__)}")
        if maps.ndim != 3 or maps.shape[1:] != mask.shape or not len(maps):
            size = mask.shape[0]
            raise ValueError(f"'maps' must have shape (coils, {size}, {size}), as the mask, got {tuple(maps.shape)}")
        check_finite("maps", torch.view_as_real(maps))
        maps = maps.detach().to(mask.device, torch.complex128)
        total = maps.abs().square().sum(0).sqrt()
        seen = total > 1e-6 * total.max()
        if not seen.any():
            raise ValueError("'maps' are 0 everywhere: no coil sees anything")
        maps = torch.where(seen, maps / total.where(seen, torch.ones_like(total)), 0)
        super().__init__(mask, (len(maps),), _norm(mask, maps))
        self.register_buffer("parts", default(torch.view_as_real(maps)).contiguous())  # (coils, size, size, 2)

    @property
    def maps(self) -> Tensor:
        """Normalised sensitivities, (coils, size, size) complex."""
        return torch.view_as_complex(self.parts)

    def _forward(self, x: Tensor) -> Tensor:
        return self._pick(fourier(self.maps * x))

    def _adjoint(self, y: Tensor) -> Tensor:
        images = inverse_fourier(self._put(y))  # (B, coils, size, size)
        return self.factor * (self.maps.conj() * images).sum(1, keepdim=True).real


def _norm(mask: Tensor, maps: Tensor) -> float:
    """Spectral norm of x -> M F (s_c x) on real images, by the Lanczos method in float64."""
    mask, maps = mask.cpu(), maps.cpu()

    def normal(x: np.ndarray) -> np.ndarray:
        kspace = mask * fourier(maps * torch.from_numpy(x).reshape(mask.shape))
        return (maps.conj() * inverse_fourier(kspace)).sum(0).real.flatten().numpy()

    n = mask.numel()
    operator = scipy.sparse.linalg.LinearOperator((n, n), matvec=normal, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=n)
    # Where the low frequencies are all sampled, many eigenvalues crowd just below 1: a vector cannot be told from its
    # neighbours, the value is found to about 1e-5.
    settings = {"v0": start, "ncv": min(n, 40), "tol": 1e-4, "return_eigenvectors": False}
    return float(scipy.sparse.linalg.eigsh(operator, k=1, **settings)[0]) ** 0.5
