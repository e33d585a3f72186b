"""Equivariant convolutions: against loops, against e2cnn, their errors over image sides, their expansion."""

import itertools

import numpy as np
import pytest
import torch
from registry import seeded
from torch import nn
from torch.nn import functional

from course_utils.equivariance import (
    GROUPS,
    Group,
    GroupConv,
    ResidualBlock,
    equivariance_error,
    equivariant_sides,
    expanded,
)
from course_utils.equivariance.groups import moved


def noise(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def filled(module, dtype=torch.float32):
    """With weights from a seed of the test."""
    with torch.no_grad():
        for k, p in enumerate(module.parameters()):
            p.copy_(0.3 * noise(*p.shape, seed=k))
    return module.to(dtype)


def network(group, padding="zeros", stride=1):
    """Image -> fields -> fields -> image, with all layers that there are; two strided ones if ``stride`` > 1."""
    return filled(
        nn.Sequential(
            GroupConv(group, 1, 2, "lift", padding=padding, stride=stride), nn.LeakyReLU(),
            ResidualBlock(GroupConv(group, 2, 2, padding=padding)),
            GroupConv(group, 2, 3, padding=padding, stride=stride), nn.ReLU(),
            GroupConv(group, 3, 1, "project", padding=padding),
        )
    )  # fmt: skip


def apply_point(H, g, p):
    return tuple(int(v) for v in H.matrix(g) @ p)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("kind", ["lift", "regular", "project"])
def test_layers_are_their_formulas(name, kind):
    """Loops over elements, fields and points, written from the formulas: (h k)(p) = k(h^-1 p), zero outside."""
    H, conv = Group(name), filled(GroupConv(name, 2, 3, kind), torch.float64)
    N, n = 3, H.order
    inside, outside = (1 if kind == "lift" else n), (1 if kind == "project" else n)
    x = noise(1, 2, inside, N, N, dtype=torch.float64)
    points = list(itertools.product((-1, 0, 1), repeat=2))  # (to the right, upwards)
    expected, k, values = torch.zeros(3, outside, N, N, dtype=torch.float64).numpy(), conv.k.detach().numpy(), x.numpy()
    back = {(h, p): apply_point(H, H.inverse(h), p) for h in range(n) for p in points}
    for c, h, d, j in itertools.product(range(3), range(outside), range(2), range(inside)):
        # a layer to images has h = e in the formulas; its filters are turned by j instead
        turn = j if kind == "project" else h
        which = H.product(H.inverse(h), j) if kind == "regular" else 0
        for p, row, column in itertools.product(points, range(N), range(N)):
            q, r, s = back[turn, p], row - p[1], column + p[0]
            if 0 <= r < N and 0 <= s < N:
                expected[c, h, row, column] += k[c, d, which, 1 - q[1], 1 + q[0]] * values[0, d, j, r, s]
    expected = torch.from_numpy(expected) + conv.b.detach()[:, None, None, None]
    found = conv(x[:, :, 0] if kind == "lift" else x)[0]
    assert torch.allclose(found, expected[:, 0] if kind == "project" else expected, atol=1e-12)


@pytest.mark.parametrize("group", ["C2", "C4", "D4"])
@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_networks_of_stride_one_are_equivariant_on_all_sides(group, padding):
    H, net, ordinary = Group(group), network(group, padding), network("C1", padding)
    with torch.no_grad():
        for side in range(27, 33):
            x = noise(2, 1, side, side)
            for g in range(1, H.order):
                act = lambda v, g=g: H.act(v, g)  # noqa: E731
                assert equivariance_error(net, x, act).max() < 1e-5
                assert equivariance_error(net.double(), x.double(), act).max() < 1e-13
                assert equivariance_error(ordinary, x, act).min() > 0.1
                net.float()


def test_fields_move_and_are_reordered():
    H = Group("D4")
    lift, conv, x = filled(GroupConv("D4", 1, 2, "lift")), filled(GroupConv("D4", 2, 2)), noise(1, 1, 9, 9)
    for g in range(8):
        fields = lambda f, g=g: H.act_fields(f, g)  # noqa: E731
        image = lambda v, g=g: H.act(v, g)  # noqa: E731
        assert equivariance_error(lift, x, image, fields) < 1e-5
        # only moving them, without the reordering, is another thing
        assert g == 0 or equivariance_error(lift, x, image, lambda f, g=g: moved(H, f, g)) > 0.1
        found, f = conv(H.act_fields(lift(x), g)), conv(lift(x))
        assert (found - H.act_fields(f, g)).norm() < 1e-5 * f.norm()


@pytest.mark.parametrize(
    ("strides", "expected"), [([2], [27, 29, 31]), ([2, 2], [29]), ([3], [28, 31]), ([1], list(range(27, 33)))]
)
def test_strided_networks_are_equivariant_for_some_sides(strides, expected):
    """The rule says which: with the measured errors beside."""
    assert equivariant_sides(strides, range(27, 33)) == expected
    layers = [GroupConv("C4", 1, 2, "lift", stride=strides[0])]
    layers += [GroupConv("C4", 2, 2, stride=s) for s in strides[1:]]
    net, H = filled(nn.Sequential(*layers, GroupConv("C4", 2, 1, "project"))), Group("C4")
    for side in range(27, 33):
        error = equivariance_error(net, noise(1, 1, side, side), lambda v: H.act(v, 1))
        assert error < 1e-5 if side in expected else error > 0.1


@pytest.mark.parametrize("group", ["C1", "C4", "D4"])
@pytest.mark.parametrize(("padding", "stride"), [("zeros", 1), ("replicate", 1), ("replicate", 2)])
def test_the_expanded_network_is_ordinary_and_gives_the_same(group, padding, stride):
    net = network(group, padding, stride)
    plain = expanded(net)
    kinds = {type(m) for m in plain.modules() if not list(m.children())}
    assert kinds == {nn.Conv2d, nn.LeakyReLU, nn.ReLU}
    x = noise(2, 1, 29, 29)
    with torch.no_grad():
        assert torch.allclose(plain(x), net(x), atol=1e-5)
        # fields come out in one axis
        assert torch.allclose(expanded(net[0])(x), net[0](x).flatten(1, 2), atol=1e-6)
    assert sum(p.numel() for p in plain[2].parameters()) > (Group(group).order - 0.5) * sum(
        p.numel() for p in net[2].parameters()
    )


def test_first_weights_have_the_size_of_ordinary_ones():
    """At equal channels, so that ordinary and equivariant networks start alike."""
    torch.manual_seed(0)
    for conv in (GroupConv("C4", 8, 8), GroupConv("C1", 32, 32), GroupConv("C4", 8, 32, "project")):
        plain = nn.Conv2d(32, 32, 3)
        assert float(conv.k.detach().std()) == pytest.approx(float(plain.weight.detach().std()), rel=0.05)


def test_gradients_reach_the_filters():
    net, x = network("C4").double(), noise(1, 1, 5, 5, dtype=torch.float64)
    names = dict(net.named_parameters())

    def run(*values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(run, [p.detach().requires_grad_() for p in names.values()], fast_mode=True)


def test_bad_layers_are_named():
    for settings, message in (
        ({"width": 4}, "'width' must be odd"),
        ({"kind": "steerable"}, "'kind' must be one of 'lift', 'regular', 'project'"),
        ({"padding": "circular"}, "'padding' must be one of"),
        ({"stride": 0}, "'stride' must be at least 1"),
        ({"group": "C3"}, "'group' must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            GroupConv(**({"group": "C4", "c_in": 1, "c_out": 1} | settings))
    with pytest.raises(ValueError, match=r"'x' must have shape \(B, 2, 4, B, B\), got \(1, 2, 3, 9, 9\)"):
        GroupConv("C4", 2, 2)(noise(1, 2, 3, 9, 9))
    with pytest.raises(TypeError, match="'conv' must be a convolution, got ReLU"):
        ResidualBlock(nn.ReLU())


class NumPy1:
    """NumPy, but for ``array(..., copy=False)``, which today means another thing."""

    def __getattr__(self, name):
        return getattr(np, name)

    def array(self, value, copy=True, **other):
        return np.array(value, copy=copy or None, **other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_e2cnn_has_the_same_layers(name, monkeypatch):
    """Its filters, which come from another basis, are ours, turned copies of those of h = e; so are its outputs."""
    pytest.importorskip("e2cnn")
    from e2cnn import gspaces
    from e2cnn import nn as e2nn
    from e2cnn.kernels import irreps_basis, utils

    # it asks NumPy for two things that NumPy 2 no longer has
    monkeypatch.setattr(irreps_basis.R2FlipsDiscreteRotationsSolution, "__hash__", lambda self: 0)
    monkeypatch.setattr(utils, "np", NumPy1())
    space = gspaces.Rot2dOnR2(4) if name == "C4" else gspaces.FlipRot2dOnR2(4)
    image = e2nn.FieldType(space, 2 * [space.trivial_repr])
    fields = e2nn.FieldType(space, 3 * [space.regular_repr])
    x, H = noise(2, 2, 9, 9), Group(name)
    torch.manual_seed(0)
    f, order = x, None
    for ins, outs, kind in ((image, fields, "lift"), (fields, fields, "regular"), (fields, image, "project")):
        theirs = e2nn.R2Conv(ins, outs, 3, padding=1, bias=False)
        K, _ = theirs.expand_parameters()
        ours = GroupConv(name, *(3 if side is fields else 2 for side in (ins, outs)), kind)
        n_out, n_in = (H.order if side is fields else 1 for side in (outs, ins))
        # channel c * order + h of theirs, h in our numbering
        K = K.detach().reshape(ours.c_out, n_out, ours.c_in, n_in, 3, 3)
        order = elements_of(K[0, :, 0, 0], H) if order is None else order
        K = K[:, order if n_out > 1 else [0]][:, :, :, order if n_in > 1 else [0]]
        with torch.no_grad():
            first = K[:, 0] if kind != "project" else K[:, 0, :, :1]
            ours.k.copy_(first.reshape(ours.k.shape))
            ours.b.zero_()
            assert torch.allclose(ours.filters(), K.flatten(2, 3).flatten(0, 1), atol=1e-5)
            their_f = theirs(e2nn.GeometricTensor(f, ins)).tensor
            mine = f.unflatten(1, (-1, H.order))[:, :, order] if ins is fields else f
            found = ours(mine)
            expected = their_f.unflatten(1, (-1, H.order))[:, :, order] if outs is fields else their_f
            assert torch.allclose(found, expected, atol=1e-5)
        f = functional.relu(their_f)


def elements_of(lifted, H):
    """Where the elements of our group stand in e2cnn's list, told by the filters of a lifting layer, (order, 3, 3)."""
    away = torch.stack([(moved(H, lifted[0], h) - lifted).abs().amax((1, 2)) for h in range(H.order)])
    order = away.argmin(1).tolist()
    assert sorted(order) == list(range(H.order)) and away.min(1).values.max() < 1e-5
    return order
