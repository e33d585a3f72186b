"""The last layer of a decoder: a 3x3 convolution to one channel, fast on the CPU once the weights are frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["OneChannelConv"]


class _ShiftedSum(torch.autograd.Function):
    """3x3 convolution (B, C, H, W) -> (B, 1, H, W) with frozen weights: one matrix product, nine shifted sums."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        B, C, H, W = x.shape
        taps = weight[0].permute(1, 2, 0).reshape(9, C)
        planes = (taps @ x.permute(0, 2, 3, 1).reshape(-1, C).T).reshape(9, B, H, W)
        out = planes[4] + bias
        for k in range(9):
            dy, dx = k // 3 - 1, k % 3 - 1
            if k != 4:
                here = slice(max(0, -dy), H - max(0, dy)), slice(max(0, -dx), W - max(0, dx))
                there = slice(max(0, dy), H - max(0, -dy)), slice(max(0, dx), W - max(0, -dx))
                out[:, here[0], here[1]] += planes[k][:, there[0], there[1]]
        return out.unsqueeze(1)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def backward(ctx, grad: Tensor):
        (weight,) = ctx.saved_tensors
        B, _, H, W = grad.shape
        padded = functional.pad(grad[:, 0], (1, 1, 1, 1))
        shifts = torch.stack([padded[:, 2 - k // 3 :, 2 - k % 3 :][:, :H, :W] for k in range(9)])
        taps = weight[0].permute(1, 2, 0).reshape(9, -1)
        # channels last, as the layers before want it
        return (shifts.reshape(9, -1).T @ taps).reshape(B, H, W, -1).permute(0, 3, 1, 2), None, None

    @staticmethod
    def jvp(ctx, direction: Tensor, *others):
        (weight,) = ctx.saved_tensors
        return _ShiftedSum.apply(direction, weight, weight.new_zeros(1))

    @staticmethod
    def vmap(info, in_dims, x: Tensor, weight: Tensor, bias: Tensor):
        if in_dims[1:] != (None, None):
            raise NotImplementedError("only the images may be mapped over, not the weights")
        x = x.movedim(in_dims[0], 0)
        return _ShiftedSum.apply(x.flatten(0, 1), weight, bias).unflatten(0, x.shape[:2]), 0


class OneChannelConv(nn.Conv2d):
    """A 3x3 convolution to one channel; the same numbers as ``nn.Conv2d``, in less time where that is slow.

    CPU libraries work on blocks of output channels and are an order of magnitude below their speed with one.

    Example
    -------
    >>> conv = OneChannelConv(4).requires_grad_(False)
    >>> x = torch.ones(2, 4, 5, 5)
    >>> torch.allclose(conv(x), nn.Conv2d.forward(conv, x), atol=1e-6)
    True
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, 1, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.requires_grad or x.device.type != "cpu":
            return super().forward(x)
        return _ShiftedSum.apply(x, self.weight, self.bias)

    def linear(self, x: Tensor) -> Tensor:
        """The convolution without its bias, for derivatives in a direction."""
        if x.device.type != "cpu":
            return functional.conv2d(x, self.weight, padding=1)
        return _ShiftedSum.apply(x, self.weight, torch.zeros_like(self.bias))
