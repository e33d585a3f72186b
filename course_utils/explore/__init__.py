"""The explorers of the chapters: slider figures, each made by a function that takes no arguments.

>>> from course_utils.explore import EXPLORERS
>>> explorer = EXPLORERS["truncated-svd"]()
>>> sorted(explorer.controls)
['kept', 'operator', 'sigma']
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ..catalogue import catalogue
from .base import Explorer

__all__ = ["EXPLORERS", "Explorer"]


def _lazy(path: str) -> Callable[..., Explorer]:
    """The factory "module:function", whose module is imported when it is first called."""
    module, function = path.split(":")

    def factory(*args, **kwargs) -> Explorer:
        return getattr(import_module(module), function)(*args, **kwargs)

    factory.path = path  # type: ignore[attr-defined]  # a function may carry attributes
    return factory


#: Name -> function that makes the explorer, as the chapters name them in ``chapter.yml``.
EXPLORERS: dict[str, Callable[..., Explorer]] = {
    name: _lazy(f"{chapter.package}.{path}")
    for chapter in catalogue().values()
    for name, path in chapter.explorers.items()
}
