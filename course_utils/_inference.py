"""Solvers need autograd, also when they are called inside ``torch.inference_mode()``."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["with_autograd"]


def with_autograd(function: Callable) -> Callable:
    """Decorate a function so that tensors and modules made in inference mode serve it as all others do.

    Autograd does not take tensors of inference mode: arguments are copied, and buffers and weights of modules, also of
    those that an argument holds, are replaced by equal ones.
    """

    @functools.wraps(function)
    def call(*args, **kwargs):
        with torch.inference_mode(False):
            args = [_ordinary(value) for value in args]
            return function(*args, **{name: _ordinary(value) for name, value in kwargs.items()})

    return call


def _ordinary(value, deep: bool = True):
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, nn.Module):
        for module in value.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_inference():
                    module._buffers[name] = buffer.clone()
            for name, weight in module._parameters.items():
                if weight is not None and weight.is_inference():
                    module._parameters[name] = nn.Parameter(weight.clone(), requires_grad=weight.requires_grad)
    elif deep and hasattr(value, "__dict__"):
        for name, part in list(vars(value).items()):
            if isinstance(part, (Tensor, nn.Module)) and (ordinary := _ordinary(part, deep=False)) is not part:
                setattr(value, name, ordinary)
    return value
