"""One trainer for all networks, the recipes of the shipped ones, and the zoo that holds them."""

from .recipes import RECIPES, Recipe, TrainConfig
from .trainer import train, validation_score
from .zoo import available, card, pretrained, pretrained_network

__all__ = [
    "RECIPES",
    "Recipe",
    "TrainConfig",
    "available",
    "card",
    "pretrained",
    "pretrained_network",
    "train",
    "validation_score",
]
