"""Arrays as they come: every kind of number, one dtype throughout, and what used to be wrong in silence."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from registry import seeded, tiny

from course_utils import (
    TV,
    Dictionary,
    GaussianBlur,
    Hard,
    Identity,
    LearnedCovariance,
    MultiCoil,
    ParallelBeam,
    Relaxed,
    StructuredConfig,
    Tikhonov,
    build,
    estimate_coil_maps,
    fbp,
    load,
    load_kspace,
    load_tilt_series,
    measure,
    pretrained,
    psnr,
    radial_mask,
    reconstruct,
    simulate_coil_maps,
    ssim,
)
from course_utils.generators.diffusion import Diffusion
from course_utils.generators.flow import Flow
from course_utils.operators import fourier, line_lengths
from course_utils.operators.backprojection import view_weights
from course_utils.properties import as_generator, features, frechet_distance, samples
from course_utils.solvers import objective_of
from course_utils.tuning import geometric, sweep

X = torch.rand(4, 1, 28, 28, generator=seeded())


@pytest.fixture
def double():
    """Torch's default dtype is float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_one_dtype_throughout(double, monkeypatch):
    """With float64 as the default nothing of the library is float32, so that all fits together."""
    operators = [
        GaussianBlur(16), ParallelBeam(16, 3, 23), Identity(16),
        MultiCoil(radial_mask(16, 5), simulate_coil_maps(16, 2)),
    ]  # fmt: skip
    x = torch.rand(2, 1, 16, 16, generator=seeded())
    for A in operators:
        assert A.T(A(x)).dtype == torch.float64
        assert all(b.dtype == torch.float64 for b in A.buffers() if b.is_floating_point())
    assert fbp(operators[1], operators[1](x)).dtype == torch.float64
    data, G = load("mnist"), pretrained("vae-mnist-8", verbose=False)
    assert data.test.dtype == G.encode(data.test[:2]).dtype == torch.float64
    A = GaussianBlur(28)
    y = measure(A, data.test[:2], 0.05, seeded())
    start = Dictionary(G, seeded(), size=8)
    assert reconstruct(A, y, Relaxed(G, 0.1, 0.1), start=start, max_iter=2).x.dtype == torch.float64
    S = build(StructuredConfig("covariance", 2, width=3), seed=0).freeze()
    found = reconstruct(A, y, LearnedCovariance(S, 0.1), start=torch.zeros(2, 2), max_iter=1)
    assert found.x.dtype == torch.float64
    assert load_kspace().kspace.dtype == torch.complex128 and load_tilt_series().sinograms.dtype == torch.float64
    assert Flow(2).sample(3, seeded()).dtype == Diffusion(2, steps=2).sample(3, seeded()).dtype == torch.float64
    monkeypatch.setattr(features, "STEPS", 2)  # of a network of its own, which is not kept
    monkeypatch.setattr(features, "_trained", features._trained.__wrapped__)
    assert math.isfinite(frechet_distance(data.test[:50], data.test[50:100]))
    assert samples(as_generator(G), 2, seeded()).dtype == torch.float64


def test_a_generator_of_another_dtype_is_named():
    A, G = GaussianBlur(28).double(), tiny(dtype=torch.float32)
    with pytest.raises(TypeError, match=r"'G', the generator, .* torch.float64 on cpu, got torch.float32 on cpu"):
        reconstruct(A, X.double(), Hard(G, 0.1), generator=seeded())


def test_angles_from_numpy_in_any_order():
    angles = np.linspace(-1, 1, 5)
    forward, backward = (
        ParallelBeam(12, angles=angles, n_detectors=17),
        ParallelBeam(12, angles=angles[::-1], n_detectors=17),
    )
    x = X[:1, :, :12, :12]
    assert torch.allclose(forward(x).flip(1), backward(x), atol=1e-6)
    degrees = np.rad2deg(angles) + 100
    for call in (lambda: line_lengths(4, degrees, np.zeros(1)), lambda: view_weights(torch.tensor(degrees))):
        with pytest.raises(ValueError, match="'angles' are in radians.*degrees"):
            call()


def test_small_numpy_integers_do_not_overflow():
    """28 * 28 is no int8."""
    for size in (np.int8(28), np.uint8(28), torch.tensor(28)):
        assert GaussianBlur(size).n == 784 and ParallelBeam(size, np.int8(20), np.int8(41)).m == 820


SILENT = {
    "ssim of three channels": (lambda: ssim(torch.ones(1, 3, 16, 16), torch.ones(1, 3, 16, 16)), "'truth'"),
    "TV of three channels": (lambda: TV(0.1)(torch.ones(1, 3, 16, 16)), "'x' must have shape"),
    "three steps for four images": (lambda: TV(0.1).prox(X, torch.ones(3)), "'tau' must be a number or have shape"),
    "the same of another": (lambda: Tikhonov(0.1).prox(X, torch.ones(3)), "'tau'"),
    "n_starts with a tensor": (
        lambda: reconstruct(Identity(28), X, Hard(tiny(dtype=torch.float32)), start=torch.zeros(4, 3), n_starts=3),
        "'n_starts' must be left out",
    ),
    "n_starts without a latent vector": (lambda: reconstruct(Identity(28), X, Tikhonov(0.1), n_starts=3), "'n_starts'"),
    "a latent vector without a generator": (
        lambda: reconstruct(Identity(28), X, Tikhonov(0.1), start=torch.zeros(4, 3)), "'start' is a latent vector",
    ),
    "x0 that plays no part": (
        lambda: reconstruct(Identity(28), X, Hard(tiny(dtype=torch.float32)), start=torch.zeros(4, 3), x0=X),
        "'x0' plays no part",
    ),
    "one noise level for each datum": (lambda: measure(Identity(28), X, torch.ones(784), seeded()), "'sigma'"),
    "no range": (lambda: psnr(X, X, data_range=0), "'data_range' must be > 0"),
    "NaN in an image": (lambda: GaussianBlur(28)(X * math.nan), "'x' must be finite"),
    "NaN in data": (lambda: GaussianBlur(28).T(X * math.nan), "'y' must be finite"),
    "NaN to be measured": (lambda: measure(GaussianBlur(28), X * math.nan, 0.1, seeded()), "'x' must be finite"),
    "NaN in a sinogram": (lambda: fbp(ParallelBeam(12, 3, 17), torch.full((1, 3, 17), math.nan)), "'y' must be finite"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), SILENT.values(), ids=SILENT)
def test_what_was_wrong_in_silence(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize("axes", [(-2, -1), (-2,), (-1,)])
@pytest.mark.parametrize("size", [16, 31, 128])
def test_a_kspace_with_its_centre_in_the_middle_is_refused(axes, size):
    """It would be taken for high frequencies: the energy says where the low ones are."""
    x = torch.zeros(size, size)
    x[size // 4 : size // 2, size // 3 : 2 * size // 3] = 1
    maps = simulate_coil_maps(size, 2)
    right = fourier(maps * x)
    A = MultiCoil(torch.ones(size, size, dtype=torch.bool), maps)
    assert torch.allclose(A.sample(right[None]), A(x[None, None]), atol=1e-4)
    estimate_coil_maps(right, width=8)
    wrong = torch.fft.fftshift(right, axes)
    for call in (lambda: A.sample(wrong[None]), lambda: estimate_coil_maps(wrong, width=8)):
        with pytest.raises(ValueError, match=rf"'kspace' must have its zero frequency at \[0, 0\].*dim=\({axes[0]}"):
            call()


def test_noise_is_no_centred_kspace():
    for seed in range(20):
        noise = torch.randn(1, 2, 16, 16, dtype=torch.complex64, generator=seeded(seed))
        MultiCoil(radial_mask(16, 5), simulate_coil_maps(16, 2)).sample(noise)


@pytest.mark.parametrize(
    "bad", [(0.0, 1.0, 2.0), (1.0, 0.0, 0.5), (1.0, math.inf, 2.0), (1.0, -1.0, 0.5), (1.0, 2.0, 1 + 1e-12)]
)
def test_endless_grids_are_refused(bad):
    with pytest.raises(ValueError, match="'start'|'stop'|'factor'"):
        geometric(*bad)


def test_a_solver_may_try_what_is_not_finite():
    """Operators look for NaN when a user calls them, not within an algorithm, which refuses such a step."""
    A, G = GaussianBlur(28), tiny(dtype=torch.float32)
    objective = objective_of(A, X, Hard(G, 0.1))
    with pytest.raises(ValueError, match="'z' must be finite"):
        objective.value(torch.full((4, 3), math.nan))
    seen = []

    class Watched(GaussianBlur):
        def _forward(self, x):
            seen.append(bool(torch.isfinite(x).all()))
            return super()._forward(x)

    broken = tiny(dtype=torch.float32)
    broken.decoder[0].weight.data[0, 0] = math.nan
    with pytest.raises(ValueError) as error:
        reconstruct(Watched(28), X, Hard(broken, 0.1), start=torch.zeros(4, 3))
    assert "'x' must be finite" not in str(error.value) and False in seen


def test_operators_can_be_vectorised():
    """``vmap`` knows no decision that depends on values: nobody looks for NaN then."""
    A = GaussianBlur(8)
    x = torch.rand(3, 2, 1, 8, 8, generator=seeded())
    assert torch.allclose(torch.func.vmap(A)(x), torch.stack([A(part) for part in x]), atol=1e-6)


def test_a_sweep_takes_numpys_grid():
    found = sweep(
        Identity(8), torch.ones(2, 1, 8, 8), torch.ones(2, 1, 8, 8), Tikhonov, lam=np.array([1.0, 0.25], np.float32)
    )
    assert found.best == {"lam": 0.25} and type(found.best["lam"]) is float


def test_a_large_tomography_is_announced_and_built_without_a_second_copy(monkeypatch):
    from course_utils.operators import tomography

    with pytest.warns(UserWarning, match=r"will take about \d+ GB: fewer views \('n_angles'\)"):
        tomography._announce(512 * 1138 * 727)
    code = (
        "import resource, torch\n"
        "from course_utils import ParallelBeam\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "A = ParallelBeam.full(96)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * 1024 / len(A.matrix_values))\n"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak of the memory is read as Linux counts it")
    peak = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert peak < 55, "bytes for an entry: 16 are kept; with copies in float64 and int64 it was 75"
