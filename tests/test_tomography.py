"""Tomography: geometry, filtered back-projection, values and adjoint against other packages, clear errors."""

import math

import numpy as np
import pytest
import torch
from registry import seeded
from torch.utils.checkpoint import checkpoint

from course_utils import Hard, ParallelBeam, Tikhonov, dot_test, fbp, load, measure, nrmse, psnr, reconstruct
from course_utils.operators import FILTERS, line_lengths, tomography
from course_utils.operators.backprojection import back_project, ramp_filter, view_weights


def smooth(size):
    """Two Gaussian blobs, neither symmetric nor centred, that vanish at the border."""
    row, col = torch.meshgrid(torch.arange(size).double(), torch.arange(size).double(), indexing="ij")
    a, b, c, d = 0.4 * size, 0.58 * size, 0.62 * size, 0.35 * size
    wide, narrow = (0.1 * size) ** 2, (0.05 * size) ** 2
    first = torch.exp(-((row - a) ** 2) / wide - (col - b) ** 2 / narrow)
    return (first + 0.5 * torch.exp(-((row - c) ** 2 + (col - d) ** 2) / narrow))[None, None]


# Geometry


@pytest.mark.parametrize(("size", "shape"), [(28, (63, 41)), (56, (125, 81)), (128, (285, 183))])
def test_the_papers_geometry(size, shape):
    A = ParallelBeam.full(size)
    assert A.shape_out == shape
    assert A.bin_width * shape[1] == pytest.approx(math.sqrt(2) * size)
    assert float(A.angles[0]) == 0 and float(A.angles[-1]) < math.pi


def test_a_list_of_angles_is_the_same_operator():
    listed = ParallelBeam(12, angles=np.arange(20) * math.pi / 20, n_detectors=17).double()
    spaced = ParallelBeam(12, 20, 17).double()
    x = torch.randn(2, 1, 12, 12, generator=seeded(), dtype=torch.float64)
    assert torch.equal(listed(x), spaced(x))


def test_angles_may_be_negative_and_in_any_order():
    degrees = np.array([40.0, -76.0, 0.0, 10.0])
    A = ParallelBeam(12, angles=np.deg2rad(degrees), n_detectors=17).double()
    B = ParallelBeam(12, angles=np.deg2rad(degrees[[2, 0, 3, 1]]), n_detectors=17).double()
    x = torch.randn(1, 1, 12, 12, generator=seeded(), dtype=torch.float64)
    assert dot_test(A) < 1e-10
    assert torch.allclose(A(x)[:, [2, 0, 3, 1]], B(x), atol=1e-8)  # norms by an iteration, so not bit by bit


def test_opposite_views_mirror_each_other():
    A = ParallelBeam(13, angles=[0.3, 0.3 + math.pi, 0.3 - math.pi], n_detectors=21).double()
    y = A(torch.randn(1, 1, 13, 13, generator=seeded(), dtype=torch.float64))
    assert torch.allclose(y[:, 0], y[:, 1].flip(-1), atol=1e-7)
    assert torch.allclose(y[:, 1], y[:, 2], atol=1e-7)


def test_a_line_between_two_pixels_belongs_to_both():
    matrix = line_lengths(4, np.array([0.0, math.pi / 2]), np.array([0.0])).toarray().reshape(2, 4, 4)
    assert np.array_equal(matrix[0], np.tile([0, 0.5, 0.5, 0], (4, 1)))
    assert np.array_equal(matrix[1], np.tile([[0], [0.5], [0.5], [0]], (1, 4)))


@pytest.mark.parametrize("size", [20, 21])
@pytest.mark.parametrize(
    "angles",
    [
        np.arange(50) * math.pi / 50,  # symmetric: four blocks
        np.arange(50) * 2.0 / 50,  # two blocks
        np.deg2rad(np.arange(-76.0, 77.0, 4.0)),
        np.arange(8) * math.pi / 8,  # a null space
    ],
    ids=["full", "limited", "tilts", "sparse"],
)
def test_svd_by_symmetry(size, angles, monkeypatch):
    A = ParallelBeam(size, angles=angles, n_detectors=31).double()
    plain = np.linalg.svd(A.matrix().numpy(), compute_uv=False)
    monkeypatch.setattr(tomography, "BLOCKS_FROM", 0)
    U, S, V = A.svd()
    seen = S > 1e-6
    assert np.allclose(S.numpy()[seen], plain[seen], rtol=1e-6)
    assert torch.allclose((U * S) @ V.T, A.matrix(), atol=1e-7)  # the matrix is stored in float32
    assert torch.allclose(V.T @ V, torch.eye(V.shape[1], dtype=V.dtype), atol=1e-10)
    gram = U[:, seen].T @ U[:, seen]
    assert torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-6)
    assert not seen.all() or len(angles) > 8


def test_a_matrix_that_was_changed_in_place_is_not_decomposed_by_a_symmetry_that_it_lost(monkeypatch):
    A = ParallelBeam.full(12).double()
    x = torch.rand(20, 1, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    monkeypatch.setattr(tomography, "BLOCKS_FROM", 0)
    for share in (1.0, 2.0, 0.0):
        A.matrix_values[: int(A.matrix_starts[20])] *= share  # the first 20 lines
        A.transpose_values[A.transpose_columns < 20] *= share
        U, S, V = A.svd()
        assert torch.allclose((U * S) @ V.T, A.matrix(), rtol=0, atol=1e-7)
        assert torch.allclose(A.normal(x), A.T(A(x)), rtol=0, atol=1e-13)


# Other packages


def sinogram_of(image, A):
    return A(image.to(A.like))[0].double().numpy() / A.scale


def test_values_and_adjoint_agree_with_scikit_image():
    """Two discretisations of one integral: scikit-image interpolates a rotated image, so 1.2 per cent of the norm."""
    from skimage.transform import iradon, radon

    size, degrees = 65, np.arange(-90.0, 90.0, 2.0)  # odd: one middle pixel
    A = ParallelBeam(size, angles=np.deg2rad(degrees), n_detectors=93, detector_width=93.0).double()
    x = smooth(size)
    theirs = radon(x[0, 0].numpy(), theta=degrees, circle=False).T
    ours = sinogram_of(x, A)[:, : theirs.shape[1]]
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.02
    # Back-projection without a filter; scikit-image's is pi / (2 n) times the sum over the views.  Ours smears with
    # line lengths, which jump from pixel to pixel and have the mean 1: views average that out, 2.3 per cent are left.
    y = torch.from_numpy(sinogram_of(x, A))[None]
    theirs = iradon(
        y[0].numpy().T, theta=degrees, filter_name=None, circle=False, output_size=size, interpolation="linear"
    ) * (2 * len(degrees) / math.pi)
    ours = (A.T(y) / A.scale)[0, 0].numpy()
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.03


@pytest.mark.parametrize(("kind", "tolerance"), [("line", 1e-4), ("strip", 0.1)])
def test_values_and_adjoint_agree_with_astra(kind, tolerance):
    """Optional: ``pip install astra-toolbox``.  Measured for values and adjoint, relative to the norm: "line" 4e-6 and
    2e-5 (astra computes in single precision), "strip" 0.03 and 0.07 (it averages over the width of a bin)."""
    astra = pytest.importorskip("astra")
    size = 56
    A = ParallelBeam(size, angles=[-1.3, -0.4, 0.05, 0.8, 1.9, 2.7], n_detectors=81).double()
    # astra's detector coordinate and rows run as ours do
    projection = astra.create_proj_geom("parallel", A.bin_width, 81, A.angles.double().numpy())
    projector = astra.create_projector(kind, projection, astra.create_vol_geom(size, size))
    matrix = astra.matrix.get(astra.projector.matrix(projector)).astype(float)
    if kind == "strip":  # integrals over the bin's area
        matrix = matrix / A.bin_width
    x = smooth(size)
    theirs = matrix @ x.numpy().ravel()
    ours = sinogram_of(x, A).ravel()
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < tolerance
    y = torch.from_numpy(theirs).reshape(1, 6, 81)
    theirs = matrix.T @ y.numpy().ravel()
    ours = (A.T(y) / A.scale).numpy().ravel()
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < tolerance


# Filtered back-projection


@pytest.mark.parametrize("filter", FILTERS)
def test_fbp_agrees_with_scikit_image(filter):
    from skimage.transform import iradon

    size, n_angles = 65, 90
    A = ParallelBeam(size, n_angles, 93, detector_width=93.0).double()
    y = A(smooth(size))
    ours = fbp(A, y, filter)[0, 0].numpy()
    theirs = iradon(
        y[0].numpy().T / A.scale, theta=np.arange(n_angles) * 180 / n_angles, filter_name=filter, circle=False,
        output_size=size,
    )  # fmt: skip
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.005


def test_fbp_inverts_with_the_scaling_of_the_operator():
    for size, worst in ((28, 0.15), (56, 0.05), (96, 0.02)):
        A, x = ParallelBeam.full(size), smooth(size).float()
        assert float(nrmse(fbp(A, A(x)), x)) < worst
    shapes = load("shapes").test[:5]
    A = ParallelBeam.full(56)
    found = fbp(A, A(shapes))
    assert float(psnr(found, shapes).min()) > 30
    assert float(found.mean() / shapes.mean()) == pytest.approx(1, abs=0.01)


def test_fbp_of_a_list_of_angles_in_any_order():
    """Unequal gaps: each view counts for its own share of the half circle."""
    uneven = np.sort(np.random.default_rng(0).uniform(0, math.pi, 150))
    shuffled = np.random.default_rng(1).permutation(uneven)
    x = smooth(40)
    for angles in (uneven, shuffled, uneven - math.pi):
        A = ParallelBeam(40, angles=angles, n_detectors=59).double()
        assert float(nrmse(fbp(A, A(x)), x)) < 0.08


def test_view_weights_leave_a_missing_wedge_empty():
    tilts = torch.deg2rad(torch.arange(-76.0, 77.0, 2.0).double())
    weights = view_weights(tilts)
    assert torch.allclose(weights, torch.full_like(weights, math.radians(2)), atol=1e-6)
    assert float(view_weights(torch.arange(8) * math.pi / 8).sum()) == pytest.approx(math.pi)
    assert float(view_weights(torch.zeros(1)).sum()) == pytest.approx(math.pi)
    twice = view_weights(torch.tensor([0.0, math.pi / 2, math.pi, 3 * math.pi / 2]))  # each line seen twice
    assert float(twice.sum()) == pytest.approx(math.pi)


def test_fbp_is_linear_batched_and_differentiable():
    A = ParallelBeam(16, 24, 25).double()
    y = torch.randn(4, 24, 25, generator=seeded(), dtype=torch.float64)
    whole = fbp(A, y, "hann", 0.7)
    assert torch.allclose(whole, torch.cat([fbp(A, part, "hann", 0.7) for part in y.split(1)]), atol=1e-12)
    assert torch.allclose(fbp(A, 2 * y[:1] - y[1:2]), 2 * fbp(A, y[:1]) - fbp(A, y[1:2]), atol=1e-12)
    small = ParallelBeam(6, 4, 9).double()
    assert torch.autograd.gradcheck(lambda v: fbp(small, v), y[:1, :4, :9].requires_grad_())


def test_apodisation_trades_noise_for_sharpness():
    x = load("shapes").test[:10]
    A = ParallelBeam.full(56)
    clean, noisy = A(x), measure(A, x, 0.1, seeded(1))
    by_window = ("ramp", "shepp-logan", "cosine", "hamming", "hann")
    sharp = [float(psnr(fbp(A, clean, f), x).mean()) for f in by_window]
    quiet = [float(psnr(fbp(A, noisy, f), x).mean()) for f in by_window]
    assert sharp == sorted(sharp, reverse=True)
    assert quiet == sorted(quiet)
    assert float(psnr(fbp(A, noisy, "hann", 0.4), x).mean()) > quiet[-1] + 3
    assert bool((ramp_filter(128, 1.0, "hann", 0.5)[33:] == 0).all())


def test_back_project_by_hand():
    """One view from the side: every column of the image gets the value of the bin above it."""
    A = ParallelBeam(4, angles=[0.0], n_detectors=6, detector_width=6.0)
    q = torch.arange(6.0)[None, None]
    assert torch.allclose(back_project(A, q, torch.ones(1))[0, 0], torch.arange(1.0, 5.0).expand(4, 4))


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParallelBeam(-4, 20, 41), "'size' must be at least 1, got -4"),
        (lambda: ParallelBeam(28, 0, 41), "'n_angles' must be at least 1, got 0"),
        (lambda: ParallelBeam(28, 20, -1), "'n_detectors' must be at least 1, got -1"),
        (lambda: ParallelBeam(28, 20), "'n_detectors' must be an integer, got NoneType"),
        (lambda: ParallelBeam(28, n_detectors=41), "give either 'n_angles' or 'angles'"),
        (lambda: ParallelBeam(28, 20, 41, angles=[0.0]), "give either 'n_angles' or 'angles'"),
        (lambda: ParallelBeam(28, angles=[], n_detectors=41), "'angles' must hold at least 1"),
        (lambda: ParallelBeam(28, angles=[[0.0]], n_detectors=41), "'angles' must be a sequence of numbers"),
        (lambda: ParallelBeam(28, angles=[0.0, math.nan], n_detectors=41), "'angles' must be finite, got nan"),
        (lambda: ParallelBeam(28, angles=[-76.0, 76.0], n_detectors=41), "'angles' are in radians.*got 76: degrees"),
        (lambda: ParallelBeam(28, 20, 41, angular_range=0.0), "'angular_range' must lie in"),
        (
            lambda: ParallelBeam(28, 20, 41, detector_width=39.0),
            "'detector_width' must be at least the",
        ),
        (lambda: ParallelBeam.full(0), "'size' must be at least 1, got 0"),
        (lambda: fbp(Tikhonov(1.0), torch.zeros(1, 20, 41)), "'A' must be a ParallelBeam, got Tikhonov"),
        (lambda: fbp(ParallelBeam(28, 20, 41), torch.zeros(1, 41, 20)), r"'y' must have shape \(B, 20, 41\)"),
        (lambda: fbp(ParallelBeam(28, 20, 41), torch.zeros(1, 20, 41), "sinc"), "'filter' must be one of 'ramp'"),
        (lambda: fbp(ParallelBeam(28, 20, 41), torch.zeros(1, 20, 41), cutoff=0.0), r"'cutoff' must lie in \(0, 1\]"),
        (lambda: ParallelBeam(28, 20, 41).T(torch.zeros(1, 41, 20)), r"'y' must have shape \(B, 20, 41\)"),
    ],
)
def test_impossible_geometries_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_generator_of_another_image_size_is_named():
    from course_utils import pretrained

    A = ParallelBeam(56, 20, 81)
    with pytest.raises(ValueError, match=r"generator of images \(1, 28, 28\), the operator takes \(1, 56, 56\)"):
        reconstruct(A, torch.zeros(1, 20, 81), Hard(pretrained("vae-mnist-8", verbose=False), 0.1), generator=seeded())


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_scan_inside_gradient_checkpointing(reentrant):
    A = ParallelBeam.full(8, n_angles=4).double()
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()

    def loss(v):
        return (A(v.square()) ** 3).sum()

    (expected,) = torch.autograd.grad(loss(x), x)
    v = x.detach().clone().requires_grad_()
    checkpoint(loss, v, use_reentrant=reentrant).backward()
    assert torch.allclose(v.grad, expected)
