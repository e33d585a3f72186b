"""The explorers of the chapters: slider figures, each made by a function that takes no arguments.

>>> from course_utils.explore import EXPLORERS
>>> explorer = EXPLORERS["truncated-svd"]()
>>> sorted(explorer.controls)
['kept', 'operator', 'sigma']
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .base import Explorer

__all__ = ["EXPLORERS", "Explorer"]


def _lazy(path: str) -> Callable[..., Explorer]:
    """The factory "module:function", whose module is imported when it is first called."""
    module, function = path.split(":")

    def factory(*args, **kwargs) -> Explorer:
        return getattr(import_module(module), function)(*args, **kwargs)

    factory.path = path
    return factory


#: Name -> function that makes the explorer.  The tests sweep every one of them: add yours here.
EXPLORERS: dict[str, Callable[..., Explorer]] = {
    "tour": _lazy("course_utils.explore.start:tour_explorer"),
    "truncated-svd": _lazy("course_utils.explore.inverse_problems:truncated_svd_explorer"),
    "denoising": _lazy("course_utils.explore.denoising:denoising_explorer"),
    "latent": _lazy("course_utils.explore.generative_models:latent_explorer"),
    "interpolation": _lazy("course_utils.explore.properties:interpolation_explorer"),
    "far-from-prior": _lazy("course_utils.explore.properties:far_explorer"),
    "regularisers": _lazy("course_utils.explore.regularisers:method_explorer"),
    "initialisation": _lazy("course_utils.explore.regularisers:initialisation_explorer"),
    "parabola": _lazy("course_utils.explore.parabola:parabola_explorer"),
    "tomography": _lazy("course_utils.explore.tomography:tomography_explorer"),
    "mri": _lazy("course_utils.explore.mri:mri_explorer"),
}
