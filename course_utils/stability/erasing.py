"""Changes of the image that a reconstruction erases, and details that it invents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import (
    check_between,
    check_choice,
    check_count,
    check_finite,
    check_generator,
    check_nonnegative,
    check_positive,
    check_tensor,
)
from .._inference import with_autograd
from ..metrics import contrast_recovery
from ..operators import LinearOperator
from ..reconstructors import Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.base import check_linear
from ..regularisers.objective import SQUARED, spread, sum_of_squares
from .ascent import on_sphere
from .derivatives import solution_map
from .search import search

__all__ = ["Erasure", "Hallucination", "erase", "hallucinate"]

#: What the change of the reconstruction is measured against: the change of the image, or that of the data.
AGAINST = ("image", "data")


@dataclass(frozen=True)
class Erasure:
    """A change of the image that the reconstruction shows least, for each of B problems.

    Attributes
    ----------
    r : (B, 1, H, W) change of the image
    ratio : (B,) ||Phi(y + A r) - Phi(y)|| over ||r||, or over ||A r||: an upper bound of the least
    data_change : (B,) ||A r||; where it is far below the norm of the noise, no method could show r
    random : (draws, B) the ratio for random changes of the set; none is below ``ratio``
    contrast : (B,) contrast recovery of r within the mask, where truth and surroundings were given
    gradient, steps, n_starts, seed, evaluations
        As for ``Attack``.
    """

    r: Tensor
    ratio: Tensor
    data_change: Tensor
    random: Tensor
    contrast: Tensor | None
    gradient: str
    steps: int
    n_starts: int
    seed: int
    evaluations: float


@dataclass(frozen=True)
class Hallucination:
    """A change that makes the reconstruction show a lesion where there is none, for each of B problems.

    Attributes
    ----------
    r : (B, ...) change, of the image outside the lesion and its surroundings, or of the data
    contrast : (B,) contrast of the lesion that is not there, in units of that of the one that could be
    before : (B,) the same without the change
    random : (draws, B) the same for random changes of the same size; none exceeds ``contrast``
    x : (B, 1, H, W) the reconstruction that shows it
    gradient, steps, n_starts, seed, evaluations
        As for ``Attack``.
    """

    r: Tensor
    contrast: Tensor
    before: Tensor
    random: Tensor
    x: Tensor
    gradient: str
    steps: int
    n_starts: int
    seed: int
    evaluations: float


def _check_mask(name: str, mask, shape: tuple) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != shape:
        raise ValueError(f"'{name}' must be a bool tensor of shape {tuple(shape)}")
    if not bool(mask.flatten(1).any(1).all()):
        raise ValueError(f"'{name}' must mark pixels in every image, got none in some")


def _onto(r: Tensor, mask: Tensor, size: float, template: Tensor | None, alignment: float) -> Tensor:
    """Within the mask, of the norm ``size``, with <r, template> = alignment size ||template||."""
    r = r * mask
    if template is None:
        return _scaled(r, size)
    across = r - spread((r * template).flatten(1).sum(1), r) * template
    return alignment * size * template + _scaled(across, size * (1 - alignment**2) ** 0.5)


def _scaled(r: Tensor, size: float) -> Tensor:
    return r * spread(size / sum_of_squares(r).sqrt().clamp_min(torch.finfo(r.dtype).tiny), r)


@with_autograd
def erase(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    mask: Tensor,
    size: float,
    generator: torch.Generator,
    template: Tensor | None = None,
    alignment: float = 0.9,
    against: str = "image",
    truth: Tensor | None = None,
    around: Tensor | None = None,
    n_starts: int = 3,
    steps: int = 30,
    draws: int = 10,
    gradient: str = "auto",
    solver: str = "auto",
    fidelity: Fidelity = SQUARED,
    settings: dict | None = None,
) -> Erasure:
    r"""Minimise :math:`\|\Phi(y + A r) - \Phi(y)\|_2\,/\,\|r\|_2` over changes r of the image within a mask.

    y are the data of the image as it was, with their noise; y + A r are those of the changed image with the same noise.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
    method : Regulariser or Reconstructor
    mask : (B, 1, H, W) bool tensor
        Where r may differ from 0; all True lets it be anywhere.
    size : float > 0
        The norm of r.
    generator : torch.Generator
    template : (B, 1, H, W) tensor, optional
        A lesion, say, that r has to resemble; what of it lies outside the mask is left out.
    alignment : float in [0, 1]
        The cosine of the angle between r and the template; 1 leaves nothing to search for.
    against : {"image", "data"}
        "data" divides by ||A r|| instead, so that what the data do not show does not count as erased.
    truth : (B, 1, H, W) tensor, optional
        The image whose data y are, and
    around : (B, 1, H, W) bool tensor, optional
        the surroundings of the mask: with both, the contrast recovery of the changed image.
    n_starts, steps, draws, gradient, solver, fidelity, settings
        As for ``attack``.

    Returns
    -------
    Erasure

    Raises
    ------
    TypeError, ValueError
        An empty mask, a template that is 0 within it, a size that is not positive, an operator that is not linear, and
        what ``attack`` refuses.

    Source
    ------
    Antun, Renna, Poon, Adcock, Hansen, PNAS 117 (2020).

    Example
    -------
    Inpainting with the pixel in the corner missing; a change of that pixel alone leaves no trace:

    >>> from course_utils import Inpainting, Tikhonov
    >>> seen = torch.ones(4, 4, dtype=torch.bool)
    >>> seen[0, 0] = False
    >>> corner = ~seen.expand(1, 1, 4, 4)
    >>> A, y = Inpainting(seen), torch.ones(1, 15)
    >>> found = erase(A, y, Tikhonov(0.1), corner, size=1.0, generator=torch.Generator().manual_seed(0))
    >>> found.ratio, found.data_change
    (tensor([0.]), tensor([0.]))
    """
    phi = solution_map(A, y, method, solver, fidelity, settings, gradient)
    check_linear(A)
    y, shape = y.detach(), (len(y), *A.shape_in)
    _check_mask("mask", mask, shape)
    size = check_positive("size", size)
    check_generator(generator)
    alignment = check_between("alignment", alignment, 0, 1, "[]")
    check_choice("against", against, AGAINST)
    n_starts, steps = check_count("n_starts", n_starts), check_count("steps", steps, minimum=0)
    draws = max(check_count("draws", draws), n_starts)
    if template is not None:
        check_tensor("template", template, shape, like=y)
        check_finite("template", template)
        template = template * mask
        if not bool((sum_of_squares(template) > 0).all()):
            raise ValueError("'template' must differ from 0 within the mask, for every image")
        template = _scaled(template, 1.0)
    if truth is not None:
        check_tensor("truth", truth, shape, like=y)
        check_finite("truth", truth)
    if around is not None:
        _check_mask("around", around, shape)
    x = phi.images(y)

    def score_of(times: int):
        to = x.repeat_interleave(times, 0)

        def score(image: Tensor, r: Tensor) -> Tensor:
            scale = sum_of_squares(r if against == "image" else A(r))
            return -sum_of_squares(image - to) / scale.clamp_min(torch.finfo(r.dtype).tiny)

        return score

    def project_of(times: int):
        where = mask.repeat_interleave(times, 0)
        like = None if template is None else template.repeat_interleave(times, 0)
        return lambda r: _onto(r, where, size, like, alignment)

    one = torch.ones(len(y), dtype=y.dtype, device=y.device)
    drawn = [project_of(1)(on_sphere(shape, one, generator)) for _ in range(draws)]
    found = search(phi, y, drawn, score_of, project_of, n_starts, steps, generator, A, A.T)
    contrast = None
    if truth is not None and around is not None:
        contrast = contrast_recovery(found.x, truth + found.r, mask, around)
    return Erasure(
        r=found.r, ratio=(-found.value).sqrt(), data_change=sum_of_squares(A(found.r)).sqrt(),
        random=(-found.random).sqrt(), contrast=contrast, gradient=phi.gradient, steps=steps, n_starts=n_starts,
        seed=generator.initial_seed(), evaluations=found.evaluations,
    )  # fmt: skip


@with_autograd
def hallucinate(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    lesioned: Tensor,
    lesion: Tensor,
    around: Tensor,
    size: float,
    generator: torch.Generator,
    of: str = "image",
    n_starts: int = 3,
    steps: int = 30,
    draws: int = 10,
    gradient: str = "auto",
    solver: str = "auto",
    fidelity: Fidelity = SQUARED,
    settings: dict | None = None,
) -> Hallucination:
    r"""Make the reconstruction show a lesion that is not there, by a small change elsewhere.

    Maximises the contrast recovery of :math:`\Phi(y + A r)`, where r is 0 on the lesion and on its surroundings, so
    that the image has no more of a lesion than before; or of :math:`\Phi(y + e)`, where e is a small error of the data.

    Parameters
    ----------
    A : LinearOperator
    y : (B, *A.shape_out) tensor
        Of an image without the lesion.
    method : Regulariser or Reconstructor
    lesioned : (B, 1, H, W) tensor
        What the image would be with it: its contrast is the unit.
    lesion, around : (B, 1, H, W) bool tensors
        Where it would be, and its surroundings.
    size : float >= 0
        Bound of the norm of the change.
    generator : torch.Generator
    of : {"image", "data"}
        What is changed.
    n_starts, steps, draws, gradient, solver, fidelity, settings
        As for ``attack``.

    Returns
    -------
    Hallucination

    Raises
    ------
    TypeError, ValueError
        Masks that are empty or overlap, or leave no pixel to change; an image ``lesioned`` without contrast; and what
        ``attack`` refuses.

    Source
    ------
    Antun, Renna, Poon, Adcock, Hansen, PNAS 117 (2020); Bhadra et al., IEEE Trans. Med. Imaging 40 (2021).

    Example
    -------
    For A = I a change elsewhere stays elsewhere:

    >>> from course_utils import Identity, Tikhonov
    >>> lesioned = torch.zeros(1, 1, 4, 4)
    >>> lesioned[..., 1:3, 1:3] = 1
    >>> lesion, around = lesioned > 0, torch.ones(1, 1, 4, 4, dtype=torch.bool).triu() & (lesioned == 0)
    >>> y, generator = torch.zeros(1, 1, 4, 4), torch.Generator().manual_seed(0)
    >>> hallucinate(Identity(4), y, Tikhonov(1.0), lesioned, lesion, around, 1.0, generator).contrast
    tensor([0.])
    """
    phi = solution_map(A, y, method, solver, fidelity, settings, gradient)
    check_linear(A)
    y, shape = y.detach(), (len(y), *A.shape_in)
    check_tensor("lesioned", lesioned, shape, like=y)
    check_finite("lesioned", lesioned)
    _check_mask("lesion", lesion, shape)
    _check_mask("around", around, shape)
    if bool((lesion & around).any()):
        raise ValueError("'around' must not overlap with 'lesion'")
    free = ~(lesion | around)
    size = check_nonnegative("size", size)
    check_generator(generator)
    check_choice("of", of, AGAINST)
    n_starts, steps = check_count("n_starts", n_starts), check_count("steps", steps, minimum=0)
    draws = max(check_count("draws", draws), n_starts)
    if of == "image" and not bool(free.flatten(1).any(1).all()):
        raise ValueError("'around' and 'lesion' leave no pixel that may change, in some image")
    try:
        contrast_recovery(lesioned, lesioned, lesion, around)
    except ValueError as error:
        raise ValueError(f"'lesioned' must show the lesion: {error}") from error

    def score_of(times: int):
        image, inside, beside = (part.repeat_interleave(times, 0) for part in (lesioned, lesion, around))
        return lambda x, r: contrast_recovery(x, image, inside, beside)

    def project_of(times: int):
        where = free.repeat_interleave(times, 0) if of == "image" else torch.ones_like(y[:1], dtype=torch.bool)

        def project(r: Tensor) -> Tensor:
            r = r * where
            long = sum_of_squares(r).sqrt() > size
            return torch.where(spread(long, r), _scaled(r, size), r)

        return project

    bound = torch.full((len(y),), float(size), dtype=y.dtype, device=y.device)
    drawn = [on_sphere(shape if of == "image" else y.shape, bound, generator) for _ in range(draws)]
    drawn = [_scaled(project_of(1)(r), size) for r in drawn]
    maps = {"to_data": A, "pull": A.T} if of == "image" else {}
    found = search(phi, y, drawn, score_of, project_of, n_starts, steps, generator, **maps)
    return Hallucination(
        r=found.r, contrast=found.value, before=contrast_recovery(phi.images(y), lesioned, lesion, around),
        random=found.random, x=found.x, gradient=phi.gradient, steps=steps, n_starts=n_starts,
        seed=generator.initial_seed(), evaluations=found.evaluations,
    )  # fmt: skip
