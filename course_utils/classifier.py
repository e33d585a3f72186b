"""A classifier of images, trained on labels: the judge of samples.

It shares nothing with the generators: another network, trained on labels, never on a sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._check import check_choice, check_count, check_tensor
from .families import Trainable, family

__all__ = ["Classifier", "ClassifierConfig"]


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of the classifier: classes, side of the images, channels of its first layer."""

    family: str = "classifier"
    classes: int = 10
    size: int = 28
    width: int = 16

    def __post_init__(self) -> None:
        check_choice("family", self.family, ("classifier",))
        for name in ("classes", "size", "width"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))


@family("classifier", config=ClassifierConfig)
class Classifier(Trainable):
    """A small convolutional network (B, 1, H, W) -> logits (B, classes), trained by cross-entropy on labels.

    Example
    -------
    >>> from course_utils.families import build
    >>> build(ClassifierConfig(), seed=0)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config, self.image_shape = config, (1, config.size, config.size)
        width, side = config.width, config.size // 2 // 2
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * width * side * side, 64), nn.ReLU(), nn.Linear(64, config.classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, H, W)."""
        check_tensor("x", x, (None, *self.image_shape), like=next(self.parameters()))
        return self.layers(x)

    def losses(self, x: tuple[Tensor, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Cross-entropy of a batch of images and their labels, in nats."""
        images, labels = x
        return {"loss": functional.cross_entropy(self(images), labels)}

    def settings(self) -> dict:
        """The configuration as a plain dictionary."""
        return asdict(self.config)
