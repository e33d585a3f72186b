"""The distance that an encoder measures: descent in the image, from an image of the range."""

from __future__ import annotations

from torch import Tensor

from ..regularisers.encoder import EncoderObjective
from ..regularisers.registry import solves
from .descent import gradient_descent, lbfgs

__all__ = ["gradient_descent_from_range", "lbfgs_from_range"]


def _descend(run, objective: EncoderObjective, z0: Tensor, x0: Tensor | None, **settings):
    G = objective.R.G
    x0 = G(z0) if x0 is None else x0
    found, path = run(objective, x0.flatten(1), **settings)
    x = found.pop("v").reshape(x0.shape)
    path.pop("v", None)  # images are not kept
    return found | {"x": x, "z": G.encode(x)}, path


@solves(EncoderObjective, "lbfgs", rank=0, general="F", first_image=True)
def lbfgs_from_range(objective: EncoderObjective, z0: Tensor, x0: Tensor | None = None, **settings):
    """L-BFGS from ``x0`` or G(z0).  Parameters and results as ``lbfgs``, with "z" and "x" in place of "v"."""
    return _descend(lbfgs, objective, z0, x0, **settings)


@solves(EncoderObjective, "paper", rank=1, general="F", first_image=True)
def gradient_descent_from_range(objective: EncoderObjective, z0: Tensor, x0: Tensor | None = None, **settings):
    """Algorithm 1 from ``x0`` or G(z0).  Parameters and results as ``gradient_descent``, with "z" and "x" for "v"."""
    return _descend(gradient_descent, objective, z0, x0, **settings)
