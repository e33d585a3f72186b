"""Every operator: exact adjoint, norm 1, right gradient, batch independence, clear errors."""

import copy
import math

import numpy as np
import pytest
import torch
from registry import OPERATORS, seeded

from course_utils import (
    GaussianBlur,
    GaussianMatrix,
    Identity,
    MaskedFourier,
    ParallelBeam,
    add_noise,
    dot_test,
    measure,
    operator_norm,
    poisson_noise,
    stack,
)
from course_utils.operators import line_lengths

every_operator = pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)


def draw(shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


@every_operator
def test_adjoint_is_exact(make):
    assert dot_test(make().double()) < 1e-10
    assert dot_test(make()) < 1e-5  # float32


@every_operator
def test_the_norm_is_what_the_operator_says(make):
    A = make().double()
    assert operator_norm(A, n_iter=2_000) == pytest.approx(A.norm, rel=1e-5)
    assert float(A.svd().S[0]) == pytest.approx(A.norm, rel=1e-5)
    assert A.scale > 0 and (A.norm == 1.0 or hasattr(A, "parts"))


@every_operator
def test_gradient_is_the_adjoint(make):
    A = make().double()
    x, y = draw((2, *A.shape_in)).requires_grad_(), draw((2, *A.shape_out), 1)
    (grad,) = torch.autograd.grad((A(x) * y).sum(), x)
    assert torch.allclose(grad, A.T(y), atol=1e-12)
    assert torch.autograd.gradcheck(A, draw((1, *A.shape_in)).requires_grad_())
    y = draw((1, *A.shape_out)).requires_grad_()
    assert torch.autograd.gradcheck(A.T, y)


@every_operator
def test_linear_and_independent_of_batch_neighbours(make):
    A = make().double()
    x = draw((5, *A.shape_in))
    one_by_one = torch.cat([A(part) for part in x.split(1)])
    assert torch.allclose(A(x), one_by_one, atol=1e-13)
    assert torch.allclose(A(2 * x[:1] - x[1:2]), 2 * A(x[:1]) - A(x[1:2]), atol=1e-12)


@every_operator
def test_svd_is_a_decomposition(make):
    A = make().double()
    U, S, V = A.svd()
    assert torch.allclose((U * S) @ V.T, A.matrix(), atol=1e-9)
    assert torch.allclose(V.T @ V, torch.eye(V.shape[1], dtype=V.dtype), atol=1e-9)
    assert bool((S[:-1] >= S[1:]).all())


def test_svd_of_a_tall_operator_goes_through_the_normal_matrix():
    A = GaussianMatrix(9_000, 24, seeded()).double()  # more than five million entries
    U, S, V = A.svd()
    assert torch.allclose((U * S) @ V.T, A.matrix(), atol=1e-8)


def test_the_svd_and_a_measured_norm_are_those_of_the_operator_as_it_is():
    A = GaussianMatrix(64, 8, seeded())
    pair = stack([Identity(8), A])

    def transpose():  # the same numbers at the same address
        A.M = A.M.T

    changes = [
        (lambda: A.float(), False), (lambda: pair.double(), True), (lambda: A.M.mul_(2), True), (lambda: None, False),
        (transpose, True), (lambda: pair.to(torch.float32), True), (lambda: A.M.zero_(), True),
    ]  # fmt: skip
    for change, anew in changes:
        before, norm = A.svd(), pair.norm
        change()
        U, S, V = A.svd()
        exact = 1e-12 if S.dtype == torch.float64 else 1e-5
        assert (U is not before.U) == anew and torch.allclose((U * S) @ V.T, A.matrix(), rtol=0, atol=exact)
        assert (pair.norm != norm) <= anew and pair.norm == pytest.approx(float(pair.svd().S[0]), rel=10 * exact)
    assert pair.norm == 1 and copy.deepcopy(A).svd().U is not A.svd().U


@every_operator
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_same_on_the_gpu(make):
    A, B = make().double(), make().double().to("cuda")
    x = draw((2, *A.shape_in))
    assert torch.allclose(A(x), B(x.to("cuda")).cpu(), atol=1e-10)


@every_operator
def test_wrong_input_is_named(make):
    A = make()
    with pytest.raises(ValueError, match="'x' must have shape"):
        A(torch.zeros(A.shape_in))
    with pytest.raises(TypeError, match="'x' must have dtype torch.float32, got torch.float64"):
        A(torch.zeros(1, *A.shape_in, dtype=torch.float64))
    with pytest.raises(TypeError, match="'x' must be a torch.Tensor"):
        A(np.zeros((1, *A.shape_in)))
    with pytest.raises(ValueError, match="'y' must have shape"):
        A.T(torch.zeros(1, *A.shape_out, 2))
    with pytest.raises(ValueError, match="'x' must be on device"):
        A(torch.zeros(1, *A.shape_in, device="meta"))


def test_dot_test_sees_a_wrong_adjoint():
    class Wrong(GaussianBlur):
        def _adjoint(self, y):
            return 1.01 * super()._adjoint(y)

    assert dot_test(Wrong(12).double()) > 1e-4


def test_blur_against_a_convolution():
    A = GaussianBlur(28).double()
    offset = torch.arange(-2.0, 3.0, dtype=torch.float64)
    kernel = torch.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / 2)
    x = draw((2, 1, 28, 28))
    expected = torch.nn.functional.conv2d(x, A.scale * (kernel / kernel.sum())[None, None], padding=2)
    assert torch.allclose(A(x), expected, atol=1e-7)


def test_line_lengths_against_area_and_chords():
    """Parallel lines cover the disc: the integral of each projection is its area; chords have known lengths."""
    size, radius = 128, 40
    angles = np.array([0.1, 0.7, 1.3, 2.9])
    offsets = np.linspace(-60, 60, 241)
    centre = np.arange(size) - (size - 1) / 2
    disc = (centre[:, None] ** 2 + centre[None] ** 2 <= radius**2).astype(float)
    sinogram = (line_lengths(size, angles, offsets) @ disc.ravel()).reshape(len(angles), -1)
    assert np.allclose(sinogram.sum(1) * 0.5, disc.sum(), rtol=2e-3)
    chord = 2 * np.sqrt(np.clip(radius**2 - offsets**2, 0, None))
    assert np.sqrt(np.mean((sinogram - chord) ** 2)) / np.sqrt(np.mean(chord**2)) < 0.015


def test_tomography_agrees_with_scikit_image():
    """The same object seen from the same angles: two discretisations of one integral."""
    from skimage.transform import radon

    size, n_angles = 65, 30  # odd: scikit-image rotates about the middle pixel
    A = ParallelBeam(size, n_angles, 93, detector_width=93.0)  # offsets -46, ..., 46
    row, col = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    x = torch.exp(-((row - 25) ** 2) / 60 - (col - 38) ** 2 / 20)  # neither symmetric nor centred
    ours = A(x[None, None])[0].numpy() / A.scale
    theirs = radon(x.numpy().astype(float), theta=np.arange(n_angles) * 180 / n_angles, circle=False).T
    assert theirs.shape == (n_angles, 92)  # offsets -46, ..., 45
    assert np.linalg.norm(ours[:, :92] - theirs) / np.linalg.norm(theirs) < 0.01


def test_noise_has_the_stated_spread_and_is_repeatable():
    y = torch.ones(4, 50_000)
    noisy = add_noise(y, 0.3, seeded(1))
    assert float((noisy - y).std()) == pytest.approx(0.3, rel=0.01)
    assert torch.equal(noisy, add_noise(y, 0.3, seeded(1)))
    assert torch.equal(add_noise(y, 0.0, seeded(1)), y)
    counts = poisson_noise(3 * y, 20.0, seeded(1))
    assert float(counts.mean()) == pytest.approx(3.0, rel=0.01)
    assert float(counts.var()) == pytest.approx(3.0 / 20, rel=0.02)


@pytest.mark.parametrize("sigma", [-0.1, math.nan, math.inf])
def test_bad_sigma(sigma):
    A = Identity(4)
    with pytest.raises(ValueError, match="'sigma' must be finite and >= 0"):
        measure(A, torch.zeros(1, 1, 4, 4), sigma, seeded())


def test_nan_data_are_refused():
    with pytest.raises(ValueError, match="'y' must be finite, got 1 NaN"):
        add_noise(torch.tensor([[1.0, math.nan]]), 0.1, seeded())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParallelBeam(28, -3, 41), "'n_angles' must be at least 1"),
        (
            lambda: ParallelBeam(28, 20, 41, detector_width=30.0),
            "'detector_width' must be at least the image's diagonal",
        ),
        (lambda: ParallelBeam(28, 20, 41, angular_range=4.0), "'angular_range' must lie in"),
        (lambda: GaussianBlur(28, width=4), "'width' must be odd"),
        (lambda: GaussianBlur(28, std=0.0), "'std' must be > 0"),
        (lambda: GaussianMatrix(0, 28, seeded()), "'m' must be at least 1"),
        (lambda: MaskedFourier(torch.zeros(8, 8, dtype=torch.bool)), "'mask' samples nothing"),
        (lambda: MaskedFourier(torch.ones(8, 9, dtype=torch.bool)), "'mask' must have shape"),
        (lambda: MaskedFourier(torch.ones(8, 8)), "'mask' must be a tensor of dtype bool"),
        (lambda: poisson_noise(torch.ones(2, 2), 0.0, seeded()), "'counts' must be > 0"),
        (lambda: poisson_noise(-torch.ones(2, 2), 1.0, seeded()), "'y' must be finite and >= 0"),
        (lambda: Identity(2.5), "'size' must be an integer"),
    ],
)
def test_impossible_settings_are_named(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
