"""Groups on images, fields, data; invariant functionals and their proximal operators, in numbers."""

import itertools
import math

import numpy as np
import pytest
import torch
from registry import seeded

from course_utils import (
    TGV,
    TV,
    GaussianBlur,
    GaussianMatrix,
    Identity,
    Inpainting,
    MaskedFourier,
    ParallelBeam,
    Wavelets,
    dot_test,
    radial_mask,
    reconstruct,
)
from course_utils.equivariance import (
    GROUPS,
    Group,
    SymmetricTV,
    act_on_data,
    act_on_mask,
    disc,
    equivariance_error,
    invariance_error,
    prox_error,
    reconstruction_error,
    rotate,
)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=seeded(seed), dtype=dtype)


def quarter(x):
    return torch.rot90(x, 1, (2, 3))


def transposed(x):
    return x.transpose(2, 3)


def plane(size, angle):
    """Coordinates of the pixels as a function turned by ``angle`` sees them."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    x, y, c, s = place[None], -place[:, None], math.cos(angle), math.sin(angle)
    return c * x + s * y, -s * x + c * y


def blobs(size, std, angle):
    """Three Gaussians off the centre, turned exactly."""
    x, y = plane(size, angle)
    places = ((9, 4), (-6, 8), (2, -10))
    return sum(torch.exp(-((x - p) ** 2 + (y - q) ** 2) / (2 * std**2)) for p, q in places)[None, None]


def square(size, side, angle, edge=1.0):
    """A square with soft edges, turned exactly."""
    x, y = plane(size, angle)
    return (torch.sigmoid((side / 2 - x.abs()) / edge) * torch.sigmoid((side / 2 - y.abs()) / edge))[None, None]


# ------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_one(name):
    H = Group(name)
    for g, h in itertools.product(range(H.order), repeat=2):
        assert H.product(g, 0) == g == H.product(0, g) and H.product(g, H.inverse(g)) == 0
        assert np.array_equal(H.matrix(H.product(g, h)), H.matrix(g) @ H.matrix(h))
    assert len({H.matrix(g).tobytes() for g in range(H.order)}) == H.order
    assert Group("C4") == Group("C4") != Group("D4") and len({Group("C4"), Group("C4")}) == 1


@pytest.mark.parametrize("name", GROUPS)
def test_images_and_fields_are_moved_by_the_group(name):
    """Acting by h and then by g is acting by g h; and a point goes where the matrix takes it."""
    H, x, f = Group(name), noise(1, 2, 5, 5), noise(1, 2, Group(name).order, 5, 5)
    for g, h in itertools.product(range(H.order), repeat=2):
        assert torch.equal(H.act(H.act(x, h), g), H.act(x, H.product(g, h)))
        assert torch.equal(H.act_fields(H.act_fields(f, h), g), H.act_fields(f, H.product(g, h)))
        moved = H.act_fields(f, g)
        assert torch.equal(moved[:, :, H.product(g, h)], H.act(f[:, :, h], g)), "(g f)(g h) is f(h), moved"
    point = torch.zeros(1, 1, 5, 5)
    point[0, 0, 1, 4] = 1  # x = 2, y = 1
    for g in range(H.order):
        row, column = (H.act(point, g)[0, 0] == 1).nonzero()[0].tolist()
        assert (column - 2, 2 - row) == tuple(H.matrix(g) @ [2, 1])


def test_an_image_that_is_not_square_and_a_foreign_element_are_named():
    H = Group("C4")
    with pytest.raises(ValueError, match="'x' must be square.*got \\(1, 1, 4, 5\\)"):
        H.act(torch.zeros(1, 1, 4, 5), 1)
    with pytest.raises(ValueError, match="'g' must be an element of C4, below 4, got 4"):
        H.act(torch.zeros(1, 1, 4, 4), 4)
    with pytest.raises(ValueError, match="'f' must have shape"):
        H.act_fields(torch.zeros(1, 2, 3, 4, 4), 1)
    with pytest.raises(ValueError, match="'name' must be one of 'C1', 'C2', 'C4', 'D4', got 'C3'"):
        Group("C3")
    with pytest.raises(ValueError, match="'angle' is in radians"):
        rotate(torch.zeros(1, 1, 4, 4), 45)


def test_quarter_turns_need_no_interpolation_and_others_do():
    for mode in ("nearest", "bilinear", "bicubic"):
        assert torch.allclose(rotate(noise(2, 1, 9, 9), math.pi / 2, mode), quarter(noise(2, 1, 9, 9)), atol=1e-10)
    errors = {}
    for mode, std in itertools.product(("nearest", "bilinear", "bicubic"), (1, 3, 5)):
        x, angle = blobs(56, std, 0.0), math.pi / 6
        turned, exact = rotate(x, angle, mode), blobs(56, std, angle)
        there_and_back = rotate(turned, -angle, mode)
        errors[mode, std] = [float((a - b).norm() / x.norm()) for a, b in ((turned, exact), (there_and_back, x))]
    expected = {"nearest": (0.26, 0.097, 0.049), "bilinear": (0.11, 0.014, 0.0045), "bicubic": (0.037, 0.012, 0.0059)}
    for mode, values in expected.items():
        for std, value in zip((1, 3, 5), values, strict=True):
            assert errors[mode, std][0] == pytest.approx(value, rel=0.1)
    assert errors["bilinear", 1][1] > 3 * errors["bicubic", 1][1], "two bilinear turns smooth twice"


# --------------------------------------------------------------------------------------------------- data

RIGHT = math.pi / 2
EQUIVARIANT = {
    "identity": (lambda: Identity(12), "D4"),
    "blur": (lambda: GaussianBlur(12), "D4"),
    "even views": (lambda: ParallelBeam.full(12, n_angles=8), "D4"),
    "odd side": (lambda: ParallelBeam.full(13, n_angles=6), "D4"),
    "odd views": (lambda: ParallelBeam.full(12, n_angles=7), "C2"),
    "any order": (lambda: ParallelBeam(12, angles=[0.3, 2.1, 0.3 + RIGHT, 2.1 - RIGHT], n_detectors=20), "C4"),
    "spokes": (lambda: MaskedFourier(radial_mask(12, 8)), "D4"),
    "spokes, odd side": (lambda: MaskedFourier(radial_mask(13, 8)), "D4"),
    "odd spokes": (lambda: MaskedFourier(radial_mask(12, 7)), "C2"),
    "ring": (lambda: Inpainting(~disc(12, 4)), "D4"),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUIVARIANT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_data_of_the_moved_image_are_the_moved_data(name, dtype):
    make, group = EQUIVARIANT[name]
    A, H, x = make().to(dtype), Group(group), noise(2, 1, *make().shape_in[1:], dtype=dtype)
    bound = 1e-6 if dtype == torch.float32 else 1e-12
    for g in range(H.order):
        expected = A(H.act(x, g))
        assert (act_on_data(A, A(x), group, g) - expected).norm() <= bound * expected.norm()
        # the action keeps norms, so that the adjoint is equivariant as well
        y = noise(2, *A.shape_out, dtype=dtype) - 0.5
        moved = act_on_data(A, y, group, g)
        assert torch.allclose(moved.flatten(1).norm(dim=1), y.flatten(1).norm(dim=1))
        assert (A.T(moved) - H.act(A.T(y), g)).norm() <= 2 * bound * y.norm()


def test_a_quarter_turn_shifts_the_views():
    """By half their number; those that come round are seen from the other side."""
    A = ParallelBeam.full(12, n_angles=6)
    y = noise(1, *A.shape_out, dtype=torch.float32)
    assert torch.equal(act_on_data(A, y, "C4", 1), torch.cat([y[:, 3:].flip(-1), y[:, :3]], 1))
    assert torch.equal(act_on_data(A, y, "C2", 1), y.flip(-1))


def test_an_operator_that_is_not_equivariant_is_named():
    for A, group, g in (
        (ParallelBeam.full(12, n_angles=7), "C4", 1),
        (ParallelBeam(12, 6, 20, angular_range=1.0), "C4", 1),
        (MaskedFourier(radial_mask(12, 7)), "C4", 1),
        (Inpainting(noise(12, 12) < 0.5), "C2", 1),
    ):
        with pytest.raises(ValueError, match=rf"'A' is not equivariant: element {g} of {group}"):
            act_on_data(A, A(noise(1, 1, 12, 12, dtype=torch.float32)), group, g)
    A = GaussianMatrix(5, 12, seeded())
    with pytest.raises(TypeError, match="'A' must be an operator whose data are known to move.*GaussianMatrix"):
        act_on_data(A, torch.zeros(1, 5), "C4", 0)


def test_which_radial_masks_are_invariant():
    """Even numbers of spokes, unless spokes at 30 and 60 degrees meet midpoints of the grid, where rounding decides."""
    for size, spokes in itertools.product((28, 33, 64), (4, 5, 6, 8, 9, 10, 12, 25, 26)):
        mask = radial_mask(size, spokes)
        assert torch.equal(act_on_mask(mask, "C2", 1), mask)
        assert torch.equal(act_on_mask(mask, "C4", 1), mask) == (spokes % 2 == 0 and spokes not in (6, 12))


# -------------------------------------------------------------------------------------------- functionals


def sample():
    """Edges with noise, 16 x 16."""
    x = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    x[..., 3:9, 2:12], x[..., 6:14, 1:5] = 1.0, 0.7
    return x + 0.1 * torch.randn(x.shape, generator=seeded(), dtype=torch.float64)


#: Regulariser, and whether it is exactly invariant under quarter turns.
FUNCTIONALS = {
    "TV": (TV(1.0), False),
    "anisotropic TV": (TV(1.0, isotropic=False), True),
    "symmetric TV": (SymmetricTV(1.0), True),
    "Haar": (Wavelets(1.0, "haar", levels=3), True),
    "db4": (Wavelets(1.0, "db4", levels=1), False),
    "TGV": (TGV(1.0), False),
}


def budget(R):
    """Iterations enough for the tests; proximal operators that are formulas have none."""
    return {} if isinstance(R, Wavelets) else {"max_iter": 400}


@pytest.mark.parametrize("name", FUNCTIONALS)
def test_invariant_functionals_have_equivariant_proximal_operators(name):
    R, invariant = FUNCTIONALS[name]
    x = sample()
    value, prox = invariance_error(R, x, quarter), prox_error(R, x, 0.1, quarter, **budget(R))
    if invariant:
        assert value.max() < 1e-12 and prox.max() < 1e-6
    else:
        assert value.min() > 1e-4 and prox.min() > 1e-3, "looks to the right and down, which a turn changes"
    # exchanging rows and columns changes none of them
    assert invariance_error(R, x, transposed).max() < 1e-6
    assert prox_error(R, x, 0.1, transposed, **budget(R)).max() < 1e-6


def test_anisotropic_tv_is_not_invariant_under_other_turns():
    """The perimeter of a square, as each of them measures it, before and after an eighth of a turn."""
    upright, turned = square(64, 30, 0.0), square(64, 30, math.pi / 4)
    change = {name: float(R(turned) / R(upright)) for name, (R, _) in FUNCTIONALS.items() if "TV" in name}
    assert 1.3 < change["anisotropic TV"] < math.sqrt(2), "root 2, but for the soft corners"
    assert change["TV"] == pytest.approx(1, abs=0.02) and change["symmetric TV"] == pytest.approx(1, abs=0.02)


def test_denoising_a_turned_square():
    """prox of the turned square against the turned prox: the anisotropic one fails where the other errs by a pixel."""
    upright, turned = square(48, 22, 0.0), square(48, 22, math.pi / 4)

    def eighth(x):
        return rotate(x, math.pi / 4) if torch.equal(x, prox) else turned

    errors = {}
    for isotropic in (True, False):
        R = TV(1.0, isotropic=isotropic)
        prox = R.prox(upright, 2.0, max_iter=300)
        errors[isotropic] = float(
            equivariance_error(lambda v, R=R: R.prox(v, 2.0, max_iter=300), upright, eighth, within=disc(48, 2))
        )
    assert errors[True] < 0.06 and errors[False] > 3 * errors[True]


def test_the_symmetric_tv_is_the_mean_over_the_mirrored_images():
    x, R = sample(), SymmetricTV(1.0)
    mean = sum(TV(1.0)(x.flip(axes)) for axes in ((), (2,), (3,), (2, 3))) / 4
    assert torch.allclose(R(x), mean)
    v, q = noise(2, 1, 6, 6), noise(2, 8, 6, 6, seed=1)
    assert torch.allclose((R.K(v) * q).flatten(1).sum(1), (v * R.KT(q)).flatten(1).sum(1)), "adjoint"
    eye = torch.eye(36, dtype=torch.float64).reshape(36, 1, 6, 6)
    norm = torch.linalg.matrix_norm(R.K(eye).flatten(1), 2)
    assert 0.8 * R.norm_squared < norm**2 <= R.norm_squared
    # the prox lowers the objective below that of every small change of it
    p = R.prox(x, 0.1, max_iter=1000)

    def objective(v):
        return R(v) + (v - x).pow(2).flatten(1).sum(1) / 0.2

    for seed in range(20):
        assert (objective(p + 1e-3 * (noise(*x.shape, seed=seed) - 0.5)) >= objective(p) - 1e-7).all()


def test_tv_inpainting_is_equivariant_only_if_the_mask_is_invariant():
    """The map from images to images, mask and reconstruct: the lectures' picture, in numbers."""
    x = sample()
    for mask, invariant in ((~disc(16, 5), True), (torch.ones(16, 16).bool(), False)):
        if not invariant:
            mask[2:7, 3:12] = False
        A = Inpainting(mask).double()

        def inpainted(x, A=A):
            return reconstruct(A, A(x), TV(0.1, isotropic=False), solver="pdhg", max_iter=800).x

        error = equivariance_error(inpainted, x, quarter)
        assert error.max() < 1e-6 if invariant else error.min() > 0.05
        if invariant:
            R = TV(0.1, isotropic=False)
            by_data = reconstruction_error(
                lambda y, A, R=R: reconstruct(A, y, R, solver="pdhg", max_iter=800).x, A(x), A, "D4", 5
            )
            assert by_data.max() < 1e-6


# ----------------------------------------------------------------------------------------------- measures


def test_errors_are_relative_and_one_for_each_image():
    x = noise(3, 1, 8, 8)
    shift = {"act": quarter, "act_out": quarter}
    one = equivariance_error(lambda v: v.roll(1, -1), x, **shift)
    assert torch.allclose(one, equivariance_error(lambda v: 5 * v.roll(1, -1), 3 * x, **shift))
    assert torch.allclose(one[1:2], equivariance_error(lambda v: v.roll(1, -1), x[1:2], **shift))
    by_hand = (quarter(x[:1]).roll(1, -1) - quarter(x[:1].roll(1, -1))).norm() / x[0].norm()
    assert torch.allclose(one[0], by_hand)
    assert equivariance_error(torch.zeros_like, x, quarter).tolist() == [0, 0, 0]
    # pixels outside do not count
    corner = torch.zeros(8, 8, dtype=torch.float64)
    corner[0, 0] = 1
    assert equivariance_error(lambda v: v + corner, x, quarter).min() > 0
    assert equivariance_error(lambda v: v + corner, x, quarter, within=disc(8)).max() < 1e-15


def test_bad_input_of_the_measures_is_named():
    x = noise(1, 1, 8, 8)
    with pytest.raises(ValueError, match="'within' must hold pixels of \\(8, 8\\), got \\(4, 4\\)"):
        equivariance_error(torch.square, x, quarter, within=disc(4))
    with pytest.raises(TypeError, match="'R' must have a proximal operator, got HuberTV"):
        from course_utils.regularisers import HuberTV

        prox_error(HuberTV(1.0), x, 0.1, quarter)
    with pytest.raises(ValueError, match="'margin' must be below half the size 8, got 4"):
        disc(8, 4)


def test_the_inner_products_of_moved_data_are_kept_by_operators_of_other_precision():
    A = ParallelBeam.full(12, n_angles=8)
    assert dot_test(A) < 1e-5 and act_on_data(A, A(noise(1, 1, 12, 12).float()), "C4", 3).dtype == torch.float32
