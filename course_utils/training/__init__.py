"""One trainer for all networks, the recipes of the shipped ones, and the zoo that holds them."""

from .recipe import Recipe, TrainConfig
from .recipes import RECIPES
from .trainer import train, validation_score
from .zoo import available, card, pretrained

__all__ = [
    "RECIPES",
    "Recipe",
    "TrainConfig",
    "available",
    "card",
    "pretrained",
    "train",
    "validation_score",
]
