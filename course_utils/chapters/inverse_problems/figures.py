"""Figures of chapter 01."""

from __future__ import annotations

from torch import Tensor

from ... import figures as plots
from ...figures.style import CourseFigure
from ...operators import LinearOperator

__all__ = ["twin_figure"]


def twin_figure(A: LinearOperator, x: Tensor, other: Tensor, labels: tuple[str, str]) -> CourseFigure:
    """An image, another one, and of all images with the data of the first the one that is closest to the second.

    Parameters
    ----------
    A : LinearOperator
    x, other : (1, 1, H, W) tensors
    labels : two str
        What the two show.

    Example
    -------
    >>> import torch
    >>> from course_utils.operators import GaussianMatrix
    >>> A = GaussianMatrix(9, 6, torch.Generator().manual_seed(0))
    >>> twin_figure(A, torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 6, 6), ("black", "white")).alt
    'black, white, and white with the data of black.'
    """
    V = A.svd().V[:, A.svd().S > 1e-10]
    difference = (other - x).flatten(1)
    twin = x + (difference - difference @ V @ V.T).reshape(x.shape)
    first, second = labels
    figure, axes = plots.subplots(
        1, 3, size=(6.6, 2.4), alt=f"{first}, {second}, and {second} with the data of {first}."
    )
    titles = (first, second, f"{second} with the data of {first}")
    for ax, image, title in zip(axes, (x, other, twin), titles, strict=True):
        plots.show_image(ax, image, title)
    return figure
