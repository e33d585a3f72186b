"""A1: can G produce every image of the target distribution?  min_z ||G(z) - x||, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_finite, check_generator, check_tensor
from ..generators import Generator
from ..metrics import nrmse, psnr
from ..operators import Identity
from ..regularisers import Hard
from ..regularisers.starts import STARTS
from ..solvers import Dictionary, reconstruct
from .adapt import as_generator
from .batches import images_of

__all__ = ["RangeErrors", "range_errors"]

GAN_STARTS = 4  # as in the paper


@dataclass(frozen=True)
class RangeErrors:
    """How close the range of G comes to each of N images.

    Attributes
    ----------
    z : (N, d) best latent vectors found; start again from elsewhere and they may be better
    x : (N, 1, H, W) the images G(z)
    nrmse : (N,) ||G(z) - x|| / ||x||
    psnr : (N,) dB, data range 1
    encoding : (N,) NRMSE of G(E(x)), or None without an encoder
    converged : share of the images at which the solver's stopping rule held
    seconds : float
    """

    z: Tensor
    x: Tensor
    nrmse: Tensor
    psnr: Tensor
    encoding: Tensor | None
    converged: float
    seconds: float


def range_errors(
    G,
    x: Tensor,
    generator: torch.Generator | None = None,
    solver: str = "lbfgs",
    start: str | Tensor | Dictionary = "auto",
    n_starts: int | None = None,
    **settings,
) -> RangeErrors:
    r"""Solve :math:`\min_z \|G(z)-x\|_2^2`, eq. (9), for every image at once.

    Parameters
    ----------
    G : generator
        See ``as_generator``.
    x : (N, 1, H, W) tensor
        Test images; training images to see over-fitting.
    generator : torch.Generator, optional
        Needed without an encoder: draws the dictionary of starts.
    solver : {"lbfgs", "paper"}
        The fast one, or Algorithm 1.
    start : "auto", "encoder", "dictionary", "random", Dictionary or tensor
        "auto": the encoding where there is an encoder, else the ``n_starts`` best of a dictionary shared by all images,
        of which the result of least objective counts.
    n_starts : int, optional
        Default: 4 from a dictionary or at random, else 1.
    **settings
        For ``reconstruct``: ``max_iter``, ``tol``, ``batch_size``, ...

    Returns
    -------
    RangeErrors

    Raises
    ------
    TypeError, ValueError
        See ``as_generator`` and ``reconstruct``; an image that is zero everywhere has no NRMSE.

    Source
    ------
    Paper, Sect. 4.3.1, eq. (9), Figs. 1 and 2.

    Example
    -------
    >>> from course_utils import load, pretrained
    >>> G = pretrained("vae-mnist-8", verbose=False)
    >>> errors = range_errors(G, load("mnist").test[:20])
    >>> bool((errors.nrmse <= errors.encoding + 1e-6).all())
    True
    """
    G = as_generator(G)
    check_tensor("x", x, (None, *G.image_shape), like=next(G.parameters()))
    check_finite("x", x)
    check_choice("solver", solver, ("lbfgs", "paper"))
    n_starts = None if n_starts is None else check_count("n_starts", n_starts)
    if generator is not None:
        check_generator(generator)
    if not isinstance(start, (Tensor, Dictionary)):
        check_choice("start", start, ("auto", *STARTS))
    black = x.flatten(1).abs().amax(1) == 0
    if len(x) == 0 or bool(black.any()):
        raise ValueError(f"'x' must hold images that are not zero everywhere, got {int(black.sum())} of {len(x)}")
    if isinstance(start, str) and start == "auto":
        start = "encoder" if G.has_encoder else "dictionary"
    if isinstance(start, str) and start == "encoder":
        start = torch.cat([G.encode(part).detach() for part in x.split(512)])
    elif isinstance(start, str):
        check_generator(generator)
    if n_starts is None:
        n_starts = 1 if isinstance(start, Tensor) else GAN_STARTS
    A = _identity(G, x)
    found = reconstruct(
        A, x, Hard(G, 0.0), solver=solver, start=start, n_starts=n_starts, generator=generator, **settings
    )
    encoding = None
    with torch.no_grad():
        if G.has_encoder:
            encoding = nrmse(images_of(G, torch.cat([G.encode(part) for part in x.split(512)])), x)
    return RangeErrors(
        z=found.z, x=found.x, nrmse=nrmse(found.x, x), psnr=psnr(found.x, x), encoding=encoding,
        converged=float(found.converged.double().mean()), seconds=found.seconds,
    )  # fmt: skip


def _identity(G: Generator, x: Tensor) -> Identity:
    if G.image_shape[1] != G.image_shape[2]:
        raise ValueError(f"'G' must give square images, got {G.image_shape}")
    return Identity(G.image_shape[1]).to(device=x.device, dtype=x.dtype)
