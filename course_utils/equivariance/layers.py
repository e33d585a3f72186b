r"""Equivariant convolutions for turns and mirrorings, written as ordinary ones with filters that are copies in turn.

Fields are tensors (B, C, |H|, N, N): in each of C fields one feature for each element h of the group, which a turn of
the image moves and reorders (``Group.act_fields``).  With k turned by h written h k:

    lift       :math:`(Lu)(h) = \sum_c (hk_c) * u_c`                                    image -> fields
    regular    :math:`(Kf)(h) = \sum_{c,j} (hk_{c,h^{-1}j}) * f_c(j)`                   fields -> fields
    project    :math:`(Pf) = \sum_{c,j} (jk_c) * f_c(j)`                                fields -> image

A bias is one number a field, the same for all h.  A nonlinearity acts on each entry by itself, so it commutes with
moving and reordering.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._check import check_choice, check_count, check_kind, check_tensor
from .groups import check_group, moved

__all__ = ["GroupConv", "ResidualBlock", "expanded"]

#: Kind of a convolution -> whether it takes fields, whether it gives fields.
KINDS = {"lift": (False, True), "regular": (True, True), "project": (True, False)}


class GroupConv(nn.Module):
    r"""Convolution that commutes with shifts and with the group: ``conv(g x) = g conv(x)``.

    Parameters
    ----------
    group : {"C1", "C2", "C4", "D4"}
        "C1" is the ordinary convolution.
    c_in, c_out : int
        Channels of images, or fields, that come in and go out.
    kind : {"regular", "lift", "project"}
        Fields to fields, images to fields, fields to images.
    width : int
        Side of the filters, odd.
    padding : {"zeros", "replicate"}
        What is outside the image.
    stride : int
        Above 1, equivariant only for some sides of the image, see ``equivariant_sides``.

    Raises
    ------
    TypeError, ValueError

    Source
    ------
    Cohen and Welling, ICML 2016; Weiler and Cesa, NeurIPS 2019; lectures, part II.1.

    Example
    -------
    >>> f = GroupConv("C4", 1, 3, kind="lift")(torch.zeros(2, 1, 28, 28))
    >>> f.shape, GroupConv("C4", 3, 1, kind="project")(f).shape
    (torch.Size([2, 3, 4, 28, 28]), torch.Size([2, 1, 28, 28]))
    """

    def __init__(
        self, group: str, c_in: int, c_out: int, kind: str = "regular", width: int = 3, padding: str = "zeros",
        stride: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.H, self.kind = check_group(group), check_choice("kind", kind, KINDS)
        self.c_in, self.c_out = check_count("c_in", c_in), check_count("c_out", c_out)
        self.stride, width = check_count("stride", stride), check_count("width", width)
        if width % 2 == 0:
            raise ValueError(f"'width' must be odd, because a turn has its centre in a pixel, got {width}")
        self.padding = check_choice("padding", padding, ("zeros", "replicate"))
        among = self.H.order if self.kind == "regular" else 1  # filters for one pair of fields
        channels = self.c_in * (self.H.order if KINDS[self.kind][0] else 1)
        bound = 1 / math.sqrt(channels * width**2)  # as torch's own convolution
        self.k = nn.Parameter(torch.empty(self.c_out, self.c_in, among, width, width).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(self.c_out).uniform_(-bound, bound))

    def filters(self) -> Tensor:
        """The filters of the ordinary convolution: (channels out, channels in, width, width)."""
        H = self.H
        if self.kind == "lift":
            K = torch.stack([moved(H, self.k, h) for h in range(H.order)], 1)  # (C', h, C, 1, w, w)
        elif self.kind == "regular":
            K = torch.stack([moved(H, self.k[:, :, H.row(H.inverse(h))], h) for h in range(H.order)], 1)
        else:
            K = torch.cat([moved(H, self.k, h) for h in range(H.order)], 2)[:, None]  # (C', 1, C, h, w, w)
        return K.flatten(2, 3).flatten(0, 1)

    def biases(self) -> Tensor:
        """The biases of the ordinary convolution: (channels out,)."""
        return self.b.repeat_interleave(self.H.order) if KINDS[self.kind][1] else self.b

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, N, N) or (B, c_in, order, N, N) -> (B, c_out, order, N', N') or (B, c_out, N', N')."""
        takes, gives = KINDS[self.kind]
        check_tensor("x", x, (None, self.c_in, *[self.H.order] * takes, None, None), like=self.k)
        x, pad = x.flatten(1, 2) if takes else x, self.k.shape[-1] // 2
        if self.padding == "replicate":
            x, pad = functional.pad(x, [pad] * 4, mode="replicate"), 0
        out = functional.conv2d(x, self.filters(), self.biases(), self.stride, pad)
        return out.unflatten(1, (self.c_out, self.H.order)) if gives else out

    @torch.no_grad()
    def expanded(self) -> nn.Conv2d:
        """The ordinary convolution with the same output, its fields in one axis: channel c * order + h."""
        K, b = self.filters(), self.biases()
        mode, w = self.padding, K.shape[-1]
        conv = nn.Conv2d(
            K.shape[1], K.shape[0], w, self.stride, w // 2, padding_mode=mode, device=K.device, dtype=K.dtype
        )
        conv.weight.copy_(K)
        conv.bias.copy_(b)
        return conv


class ResidualBlock(nn.Module):
    r"""f + a(K f + b), a LeakyReLU: the sum of two equivariant maps.  K and b start at 0, so it starts as the identity.

    Parameters
    ----------
    conv : GroupConv or Conv2d
        As many channels, or fields, out as in.

    Source
    ------
    Lectures, part II.1; Celledoni et al., Inverse Problems 37 (2021).

    Example
    -------
    >>> block, f = ResidualBlock(GroupConv("C4", 2, 2)), torch.ones(1, 2, 4, 8, 8)
    >>> torch.equal(block(f), f)
    True
    """

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = check_kind("conv", conv, (GroupConv, nn.Conv2d), "a convolution")
        with torch.no_grad():
            for p in conv.parameters():
                p.zero_()

    def forward(self, f: Tensor) -> Tensor:
        """Fields to fields of the same shape."""
        return f + functional.leaky_relu(self.conv(f))

    def expanded(self) -> ResidualBlock:
        """The same with an ordinary convolution."""
        block = copy.deepcopy(self)
        block.conv = expanded(self.conv)
        return block


def expanded(module: nn.Module) -> nn.Module:
    """The ordinary network with the same output: filters are turned once, and not in every evaluation.

    Layers with an ``expanded`` method are replaced, sequences are gone through, everything else stays as it is; so all
    between must act on each entry by itself.  Fields come out in one axis, (B, C * order, N, N).

    Source
    ------
    Weiler and Cesa, NeurIPS 2019, who do the same at test time.

    Example
    -------
    >>> network = nn.Sequential(GroupConv("D4", 1, 2, "lift"), nn.LeakyReLU(), GroupConv("D4", 2, 1, "project"))
    >>> [type(layer).__name__ for layer in expanded(network)]
    ['Conv2d', 'LeakyReLU', 'Conv2d']
    """
    check_kind("module", module, nn.Module, "a network")
    if hasattr(module, "expanded"):
        return module.expanded()
    return nn.Sequential(*map(expanded, module)) if isinstance(module, nn.Sequential) else module
