"""The fast one-channel convolution is the ordinary one: values, gradients, second derivatives."""

import pytest
import torch
from registry import seeded
from torch import nn

from course_utils.generators.head import OneChannelConv


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 1, 3, 3), (3, 16, 28, 28)])
def test_same_as_conv2d(shape, memory_format):
    conv = OneChannelConv(shape[1]).double().requires_grad_(False)
    x = torch.randn(shape, generator=seeded(), dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
    fast, plain = conv(x), nn.Conv2d.forward(conv, x)
    assert torch.allclose(fast, plain, atol=1e-12)
    weights = torch.randn(fast.shape, generator=seeded(1), dtype=torch.float64)
    (g_fast,) = torch.autograd.grad((fast * weights).sum(), x)
    (g_plain,) = torch.autograd.grad((plain * weights).sum(), x)
    assert torch.allclose(g_fast, g_plain, atol=1e-12)


def test_derivatives():
    conv = OneChannelConv(2).double().requires_grad_(False)
    x = torch.randn(1, 2, 4, 4, generator=seeded(), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(conv, x)
    assert torch.autograd.gradgradcheck(conv, x)


def test_training_goes_through_the_weights():
    conv = OneChannelConv(2)
    conv(torch.ones(1, 2, 4, 4)).sum().backward()
    assert conv.weight.grad is not None and float(conv.weight.grad.abs().sum()) > 0
