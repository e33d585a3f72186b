"""Figures of the course: one palette, images with their residuals, curves, strips, and tables."""

from .images import image_rows, show_image
from .lines import curves
from .pixels import figure_pixels, figure_png
from .strips import image_strips, scatter
from .style import COLOURS, IMAGE_CMAP, METHODS, RESIDUAL_CMAP, STYLE, CourseFigure, subplots
from .tables import markdown_table

__all__ = [
    "COLOURS",
    "IMAGE_CMAP",
    "METHODS",
    "RESIDUAL_CMAP",
    "STYLE",
    "CourseFigure",
    "curves",
    "figure_pixels",
    "figure_png",
    "image_rows",
    "image_strips",
    "markdown_table",
    "scatter",
    "show_image",
    "subplots",
]
