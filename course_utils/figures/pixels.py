"""A figure as an array of pixels, or as PNG."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

__all__ = ["figure_pixels", "figure_png"]


def figure_pixels(figure: Figure, dpi: float | None = None) -> np.ndarray:
    """The picture as an (H, W, 3) array of bytes.

    Example
    -------
    >>> figure_pixels(Figure(figsize=(2, 1)), dpi=50).shape
    (50, 100, 3)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if dpi is not None:
        figure.set_dpi(dpi)
    canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def figure_png(figure: Figure, dpi: float | None = None) -> bytes:
    """The picture as PNG bytes, encoded for speed (light compression); used by the explorers.

    Example
    -------
    >>> figure_png(Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(figure_pixels(figure, dpi)).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
