"""k-space: which of its entries are measured, what the coils see, and images without any prior.

The zero frequency of every mask and k-space is entry [0, 0], as ``torch.fft`` has it; ``torch.fft.fftshift`` brings
it to the middle, for a picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._check import check_between, check_count, check_entries, check_finite, check_generator, check_kind, default

__all__ = [
    "cartesian_mask",
    "estimate_coil_maps",
    "fourier",
    "inverse_fourier",
    "radial_mask",
    "root_sum_of_squares",
    "simulate_coil_maps",
    "zero_filled",
]


def fourier(x: Tensor) -> Tensor:
    """Unitary 2-D Fourier transform over the last two axes; it keeps sums of squares.

    Example
    -------
    >>> fourier(torch.ones(2, 2)).real
    tensor([[2., 0.],
            [0., 0.]])
    """
    check_plane("x", x)
    return torch.fft.fft2(x, norm="ortho")


def inverse_fourier(kspace: Tensor) -> Tensor:
    """Inverse, and adjoint, of ``fourier``.

    Example
    -------
    >>> inverse_fourier(fourier(torch.ones(2, 2))).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    check_plane("kspace", kspace)
    return torch.fft.ifft2(kspace, norm="ortho")


def check_plane(name: str, value: Tensor) -> None:
    """Raise unless ``value`` is a real or complex tensor with two axes or more."""
    check_kind(name, value, Tensor, "a torch.Tensor")
    if not (value.is_floating_point() or value.is_complex()):
        raise TypeError(f"'{name}' must be a floating-point or complex tensor, got dtype {value.dtype}")
    if value.ndim < 2:
        raise ValueError(f"'{name}' must have two axes or more, got shape {tuple(value.shape)}")
    check_entries(name, value)


#: A k-space with so much more energy around another entry than around [0, 0] has its zero frequency there.
CENTRED = 4.0


def check_corner(name: str, kspace: Tensor) -> None:
    """Raise if the zero frequency of (..., size, size) stands in the middle, where most programs store it.

    An image has most of its energy at low frequencies: it tells where they are.  Noise has as much everywhere.
    """
    height, width = kspace.shape[-2:]
    if min(height, width) < 16:  # too few entries to tell
        return
    energy = kspace.detach().abs().square().reshape(-1, height, width).sum(0)
    reach = [torch.arange(-(n // 8), n // 8 + 1, device=kspace.device) for n in (height, width)]

    def around(row: int, column: int) -> float:
        return float(energy[(reach[0] + row)[:, None] % height, (reach[1] + column) % width].sum())

    corner = around(0, 0)
    for row, column, axes in ((height // 2, width // 2, "-2, -1"), (height // 2, 0, "-2"), (0, width // 2, "-1")):
        if around(row, column) > CENTRED * corner:
            raise ValueError(
                f"'{name}' must have its zero frequency at [0, 0], got most energy around [{row}, {column}]: "
                f"torch.fft.ifftshift({name}, dim=({axes},)) moves it"
            )


def check_mask(mask: Tensor) -> None:
    """Raise unless ``mask`` is a square bool tensor that samples something."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise TypeError("'mask' must be a tensor of dtype bool")
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        raise ValueError(f"'mask' must have shape (size, size), got {tuple(mask.shape)}")
    if not mask.any():
        raise ValueError("'mask' samples nothing: at least one entry must be True")


def cartesian_mask(size: int, lines: int, centre: int, generator: torch.Generator) -> Tensor:
    """Whole lines (columns) of k-space: the ``centre`` lines of lowest frequency, the others drawn at random.

    A scanner reads a line in one go, so that its time is proportional to their number.

    Parameters
    ----------
    size : int
        Side of the grid.
    lines : int
        Lines in all, at most ``size``.
    centre : int
        Of these, the fully sampled block around the zero frequency.
    generator : torch.Generator
        Draws the others, all frequencies with equal chance.

    Returns
    -------
    (size, size) bool tensor

    Raises
    ------
    TypeError, ValueError
        More lines than there are, or a centre that is larger than all.

    Source
    ------
    The masks of the fastMRI challenge: Zbontar et al., arXiv 1811.08839.

    Example
    -------
    >>> mask = cartesian_mask(128, lines=32, centre=10, generator=torch.Generator().manual_seed(0))
    >>> float(mask.float().mean()), bool(mask[:, :5].all() and mask[:, -5:].all())
    (0.25, True)
    """
    size = check_count("size", size)
    lines = check_count("lines", lines)
    centre = check_count("centre", centre, minimum=0)
    check_generator(generator)
    if lines > size:
        raise ValueError(f"'lines' must be at most the size {size}, got {lines}")
    if centre > lines:
        raise ValueError(f"'centre' must be at most 'lines' = {lines}, got {centre}")
    mask = torch.zeros(size, size, dtype=torch.bool)
    block = torch.arange(centre) - centre // 2
    mask[:, block % size] = True
    others = (~mask[0]).nonzero().squeeze(1)
    drawn = torch.randperm(len(others), generator=generator, device=generator.device)[: lines - centre]
    mask[:, others[drawn.cpu()]] = True
    return mask


def radial_mask(size: int, spokes: int) -> Tensor:
    """Spokes through the centre of k-space, at equal angles, each rounded to the grid.

    A spoke goes to the edge of the disc that touches the sides of the grid, so that the corners are never sampled; near
    the centre spokes share entries.  The mask contains -f with every f: on real images half of it is redundant.

    Parameters
    ----------
    size : int
        Side of the grid.
    spokes : int
        The lectures take 5, 25, ..., 145 on 128 x 128.  The first one is horizontal.

    Returns
    -------
    (size, size) bool tensor

    Source
    ------
    Lectures, part II.2; Duff et al., Physics in Medicine and Biology (2023).

    Example
    -------
    >>> [round(float(radial_mask(128, spokes).float().mean()), 3) for spokes in (5, 25, 45, 145)]
    [0.046, 0.217, 0.367, 0.774]
    """
    size = check_count("size", size)
    spokes = check_count("spokes", spokes)
    angle = math.pi * torch.arange(spokes, dtype=torch.float64)[:, None] / spokes
    radius = torch.linspace(-size / 2, size / 2, 4 * size + 1, dtype=torch.float64)
    mask = torch.zeros(size, size, dtype=torch.bool)
    rows, columns = (torch.round(radius * f(angle)).long() for f in (torch.sin, torch.cos))
    # The grid ends at size/2 - 1 on one side: rounding to its edge there would wrap round to the other.
    inside = (rows.abs() < size / 2) & (columns.abs() < size / 2)
    mask[rows[inside] % size, columns[inside] % size] = True
    return mask


def simulate_coil_maps(size: int, coils: int) -> Tensor:
    r"""Smooth sensitivities of coils around the object, :math:`\sum_c|s_c|^2=1`.

    The magnitude of a coil is a Gaussian around its place on a circle outside the image, its phase grows linearly
    towards it and differs from coil to coil.  A stand-in for a measurement, with the features that matter: smooth,
    complex, strong on one side.  No electrodynamics is computed.

    Parameters
    ----------
    size : int
        Side of the image in pixels.
    coils : int

    Returns
    -------
    (coils, size, size) complex tensor

    Example
    -------
    >>> maps = simulate_coil_maps(64, 4)
    >>> bool(torch.allclose(maps.abs().square().sum(0), torch.ones(64, 64)))
    True
    """
    size = check_count("size", size)
    coils = check_count("coils", coils)
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) * 2 / size - 1
    turn = 2 * math.pi * torch.arange(coils, dtype=torch.float64)[:, None, None] / coils
    up, right = torch.sin(turn), torch.cos(turn)
    distance2 = (-axis[:, None] - 1.2 * up) ** 2 + (axis - 1.2 * right) ** 2
    phase = math.pi / 2 * (-axis[:, None] * up + axis * right) + turn
    maps = torch.polar(torch.exp(-distance2 / 2), phase)
    return default(maps / maps.abs().square().sum(0).sqrt())


def estimate_coil_maps(kspace: Tensor, width: int, threshold: float = 0.05, mask: Tensor | None = None) -> Tensor:
    r"""Sensitivities from the low frequencies of one measurement: each coil's over the root sum of squares of all.

    The ``width`` x ``width`` block around the zero frequency, tapered by a Hann window, gives blurred coil images
    :math:`\hat x_c`; then :math:`s_c = \hat x_c/(\sum_d|\hat x_d|^2)^{1/2}` where the root exceeds ``threshold``
    times its maximum, and 0 elsewhere, where there is nothing but noise.  The maps take over the smooth phase of the
    object, which makes the image that belongs to them nearly real and positive.  This is the plain ratio; it smears
    at edges, where an eigenvalue method such as ESPIRiT does better.

    Parameters
    ----------
    kspace : (coils, size, size) complex tensor
    width : int, 3 ... size
    threshold : float in [0, 1)
    mask : (size, size) bool tensor, optional
        What was sampled; the block must be.

    Returns
    -------
    (coils, size, size) complex tensor, with sum of squares 1 or 0

    Raises
    ------
    TypeError, ValueError
        Not complex, NaN, a k-space that is 0 in the block, a block that ``mask`` does not cover.

    Source
    ------
    Pruessmann et al., Magnetic Resonance in Medicine 42 (1999); McKenzie et al., ibid. 47 (2002), for calibration by
    the measurement itself.

    Example
    -------
    >>> maps = simulate_coil_maps(32, 3)
    >>> found = estimate_coil_maps(fourier(maps * torch.ones(32, 32)), width=16)
    >>> bool((found - maps)[:, 6:-6, 6:-6].abs().max() < 0.1)
    True
    """
    if not isinstance(kspace, Tensor) or not kspace.is_complex():
        raise TypeError(f"'kspace' must be a complex tensor, got {getattr(kspace, 'dtype', type(kspace).__name__)}")
    if kspace.ndim != 3 or kspace.shape[1] != kspace.shape[2] or not len(kspace):
        raise ValueError(f"'kspace' must have shape (coils, size, size), got {tuple(kspace.shape)}")
    size = kspace.shape[1]
    width = check_count("width", width, minimum=3)
    if width > size:
        raise ValueError(f"'width' must be at most the size {size}, got {width}")
    threshold = check_between("threshold", threshold, 0, 1, "[)")
    frequency = torch.arange(width, device=kspace.device) - width // 2
    block = (frequency[:, None] % size, frequency % size)
    if mask is not None:
        check_mask(mask)
        if mask.shape != kspace.shape[1:]:
            raise ValueError(f"'mask' must have shape {tuple(kspace.shape[1:])}, as 'kspace', got {tuple(mask.shape)}")
        missing = int((~mask.to(kspace.device)[block]).sum())
        if missing:
            raise ValueError(
                f"'mask' leaves out {missing} of the {width} x {width} lowest frequencies: smaller 'width'"
            )
    low = kspace[:, block[0], block[1]]
    check_finite("kspace", torch.view_as_real(low))
    check_corner("kspace", kspace)
    taper = torch.cos(math.pi * frequency / (width + 1)).square().to(kspace.real.dtype)
    tapered = torch.zeros_like(kspace)
    tapered[:, block[0], block[1]] = low * taper[:, None] * taper
    images = inverse_fourier(tapered)
    total = images.abs().square().sum(0).sqrt()
    if not bool(total.max() > 0):
        raise ValueError("'kspace' is 0 in its lowest frequencies: no coil sees anything")
    seen = total > threshold * total.max()
    return torch.where(seen, images / total.where(seen, torch.ones_like(total)), 0)


def zero_filled(A, y: Tensor) -> Tensor:
    """One complex image for each coil, from the k-space that is 0 where nothing was measured.

    Parameters
    ----------
    A : MaskedFourier or MultiCoil
    y : (B, *A.shape_out) tensor

    Returns
    -------
    (B, coils, size, size) complex tensor
        Without compensation for the density of the samples.  ``root_sum_of_squares`` makes one image of it.

    Source
    ------
    Lectures, part I.1, option 1.

    Example
    -------
    >>> from course_utils.operators import MaskedFourier
    >>> A = MaskedFourier(torch.ones(8, 8, dtype=torch.bool))
    >>> x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(zero_filled(A, A(x)).abs(), x, atol=1e-6))
    True
    """
    if not callable(getattr(A, "fill", None)):
        raise TypeError(f"'A' must be a MaskedFourier or a MultiCoil, got {type(A).__name__}")
    return inverse_fourier(A.fill(y))


def root_sum_of_squares(images: Tensor) -> Tensor:
    r"""Coil images combined without knowing the sensitivities, :math:`x = (\sum_c|x_c|^2)^{1/2}`.

    With maps of sum of squares 1 this is the magnitude of the object; the bias of the noise is positive.

    Parameters
    ----------
    images : (B, coils, size, size) tensor, complex or real

    Returns
    -------
    (B, 1, size, size) real tensor

    Source
    ------
    Roemer et al., Magnetic Resonance in Medicine 16 (1990).

    Example
    -------
    >>> root_sum_of_squares(torch.tensor([3.0, 4.0j]).reshape(1, 2, 1, 1)).item()
    5.0
    """
    check_plane("images", images)
    if images.ndim != 4:
        raise ValueError(f"'images' must have shape (B, coils, size, size), got {tuple(images.shape)}")
    return images.abs().square().sum(1, keepdim=True).sqrt()
