"""What is needed to build a diffusion or a flow-matching model of images again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .._check import check_choice, check_count, check_positive
from .time_unet import check_widths

__all__ = ["ImagePriorConfig"]


@dataclass(frozen=True)
class ImagePriorConfig:
    """Everything that is needed to build an ``ImageDiffusion`` or a ``FlowMatching`` again.

    Parameters
    ----------
    family : "image-diffusion" or "flow-matching"
    size : int
        Side of the square images in pixels; a multiple of patch * 2^(levels - 1).
    widths : sequence of int
        Channels of each level of ``TimeUNet``.
    patch : int
        Its patches.
    steps : int
        Noise levels of the diffusion; of the flow, the steps of the ODE unless others are asked for.
    spread : float > 0
        About the standard deviation of the pixels, in units of the images.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> ImagePriorConfig("flow-matching", size=56, patch=4).widths
    (32, 64)
    """

    family: str
    size: int = 28
    widths: tuple[int, ...] = (32, 64)
    patch: int = 2
    steps: int = 100
    spread: float = 0.3

    families: ClassVar[tuple[str, ...]] = ("image-diffusion", "flow-matching")

    def __post_init__(self) -> None:
        check_choice("family", self.family, self.families)
        # a frozen dataclass has no other way to store what a check returns
        for name in ("size", "patch", "steps"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "widths", check_widths(self.widths))
        object.__setattr__(self, "spread", float(check_positive("spread", self.spread)))
        unit = self.patch * 2 ** (len(self.widths) - 1)
        if self.size % unit:
            raise ValueError(f"'size' must be a multiple of {unit} for this patch and these widths, got {self.size}")
