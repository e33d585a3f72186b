"""MRI operators: masks and coil maps are what they say, the fast spectrum is exact, and every solver runs on them."""

import math

import numpy as np
import pytest
import torch
from registry import GENERATIVE, seeded, tiny

from course_utils import (
    TV,
    MaskedFourier,
    MultiCoil,
    Relaxed,
    Tikhonov,
    cartesian_mask,
    estimate_coil_maps,
    g_factor,
    load,
    load_kspace,
    measure,
    psnr,
    radial_mask,
    reconstruct,
    root_sum_of_squares,
    simulate_coil_maps,
    zero_filled,
)
from course_utils.operators import MatrixSpectrum, base, fourier, inverse_fourier
from course_utils.solvers import objective_of

MASKS = {
    "spokes": lambda: radial_mask(28, 9),
    "lines": lambda: cartesian_mask(28, 11, 4, seeded()),
    "half of k-space": lambda: torch.arange(28).expand(28, 28) < 14,
}
SCANS = {
    "one coil": lambda: MaskedFourier(radial_mask(28, 9)),
    "three coils": lambda: MultiCoil(cartesian_mask(28, 9, 4, seeded()), simulate_coil_maps(28, 3)),
}
METHODS = [(name, solver) for name, (_, solvers) in GENERATIVE.items() for solver in solvers]


def full(size=16):
    return torch.ones(size, size, dtype=torch.bool)


# Masks


@pytest.mark.parametrize("spokes", [5, 25, 45, 65, 85, 105, 125, 145])
def test_spokes_are_lines_through_the_centre(spokes):
    mask = radial_mask(128, spokes)
    assert torch.equal(mask, mask.flip(0, 1).roll((1, 1), (0, 1)))  # f and -f
    kept = torch.fft.fftshift(mask).nonzero().double() - 64
    radius, angle = kept.norm(dim=1), torch.atan2(kept[:, 0], kept[:, 1])
    assert float(radius.max()) <= 64 + math.sqrt(0.5)
    step = math.pi / spokes
    distance = ((angle / step).round() * step - angle).sin().abs() * radius  # from the nearest spoke, in grid steps
    assert float(distance.max()) <= math.sqrt(0.5) + 1e-9
    for k in range(spokes):  # each spoke is complete: no gap longer than the diagonal of a cell
        on_it = radius[(angle - k * step).sin().abs() * radius <= 0.71].sort().values
        assert float(on_it[0]) == 0 and float(on_it[-1]) > 62 and float(on_it.diff().max()) < 1.5


def test_more_spokes_sample_more_but_never_the_corners():
    fractions = [MaskedFourier(radial_mask(128, spokes)).fraction for spokes in range(5, 200, 20)]
    assert all(a < b for a, b in zip(fractions, fractions[1:], strict=False))
    assert fractions[0] < 0.05 and 0.75 < fractions[-1] < math.pi / 4 + 0.02


def test_random_lines():
    mask = cartesian_mask(64, 20, 7, seeded(3))
    lines = mask.all(0)
    assert torch.equal(mask, lines.expand(64, 64)) and int(lines.sum()) == 20
    assert bool(lines[torch.arange(-3, 4) % 64].all())
    assert torch.equal(mask, cartesian_mask(64, 20, 7, seeded(3)))
    assert not torch.equal(mask, cartesian_mask(64, 20, 7, seeded(4)))
    often = torch.stack([cartesian_mask(16, 6, 2, seeded(s))[0] for s in range(2_000)]).float().mean(0)
    assert float((often[1:15] - 4 / 14).abs().max()) < 0.05  # outside the centre all lines alike
    assert bool(cartesian_mask(8, 8, 0, seeded()).all())
    A = MaskedFourier(mask)
    assert A.fraction == pytest.approx(20 / 64) and torch.equal(A.mask, mask) and "31.2% of k-space" in repr(A)


# One coil


def test_one_coil_against_the_definition():
    """Entry (p, q) is the sum of x exp(-2 pi i (p r + q c) / n) / n."""
    n, x = 12, torch.rand(1, 1, 12, 12, generator=seeded(), dtype=torch.float64)
    A = MaskedFourier(radial_mask(n, 5)).double()
    w = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    kspace = torch.from_numpy(w @ x[0, 0].numpy() @ w.T / n)
    expected = kspace[A.mask]
    assert torch.allclose(A(x)[0], torch.stack([expected.real, expected.imag]), atol=1e-12)
    assert torch.allclose(A.sample(kspace[None, None]), A(x), atol=1e-12)
    assert torch.allclose(A.fill(A(x))[0, 0], torch.where(A.mask, kspace, 0), atol=1e-12)


@pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)
def test_the_fast_spectrum_is_that_of_the_matrix(make):
    A = MaskedFourier(make()).double()
    fast, matrix = A.spectrum(), MatrixSpectrum(A.svd(), A.shape_in)
    kept = matrix.S > 1e-9
    assert torch.allclose(fast.S.sort(descending=True).values, matrix.S[kept], atol=1e-6)  # ``factor`` is a float32
    x = torch.randn(3, *A.shape_in, generator=seeded(), dtype=torch.float64)
    y = torch.randn(3, *A.shape_out, generator=seeded(1), dtype=torch.float64)
    assert torch.allclose(fast.image(fast.S**2 * fast.of_image(x)), A.T(A(x)), atol=1e-12)
    c = fast.of_image(x)
    assert torch.allclose(fast.of_image(fast.image(c)), c, atol=1e-12)
    assert torch.allclose(fast.image(fast.S * fast.of_data(y)), A.T(y), atol=1e-12)
    # U^T y leaves out what no image gives, as for the matrix
    assert torch.allclose(fast.of_data(y).norm(dim=1), matrix.of_data(y)[:, kept].norm(dim=1), atol=1e-9)


@pytest.mark.parametrize("make", MASKS.values(), ids=MASKS)
def test_relaxed_and_tikhonov_in_the_fast_spectrum(make, monkeypatch):
    A, G = MaskedFourier(make()).double(), tiny()
    y = measure(A, G.sample(2, seeded(1)), 0.05, seeded(2))
    z = G.sample_latent(2, seeded(3))

    def values():
        reduced = objective_of(A, y, Relaxed(G, 0.3, 0.1), solver="reduced")
        return reduced.value(z), reduced.image(z), reconstruct(A, y, Tikhonov(0.2)).x

    fast = values()
    monkeypatch.setattr(MaskedFourier, "spectrum", base.LinearOperator.spectrum)
    for a, b in zip(fast, values(), strict=True):
        assert torch.allclose(a, b, atol=1e-8)
    x = fast[1].requires_grad_()  # the best x for z: the gradient of the whole objective is 0 there
    f = (A(x) - y).square().sum() + 0.3 * (x - G(z)).square().sum()
    assert float(torch.autograd.grad(f, x)[0].abs().max()) < 1e-6


def test_noise_is_in_both_parts_of_every_sample():
    A = MultiCoil(full(64), simulate_coil_maps(64, 2))
    x = torch.zeros(1, 1, 64, 64)
    y = measure(A, x, 0.1, seeded())
    assert y.shape == (1, 2, 2, 64 * 64)
    for part in y[0].flatten(0, 1):
        assert float(part.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float((y[0, :, 0] * y[0, :, 1]).mean())) < 5e-4
    assert torch.equal(y, measure(A, x, 0.1, seeded()))


# Several coils


def test_coils_against_the_definition():
    A = MultiCoil(cartesian_mask(16, 7, 3, seeded()), 5 * simulate_coil_maps(16, 3)).double()
    x = torch.rand(2, 1, 16, 16, generator=seeded(), dtype=torch.float64)
    assert torch.allclose(A.maps.abs().square().sum(0), torch.ones(16, 16, dtype=torch.float64), atol=1e-6)
    kspace = torch.fft.fft2(A.maps * x, norm="ortho")
    assert torch.allclose(A(x), A.sample(kspace), atol=1e-12)
    kept = kspace[:, :, A.mask]
    assert torch.allclose(A(x), A.factor * torch.stack([kept.real, kept.imag], 2), atol=1e-12)
    assert torch.allclose(A.fill(A(x)), torch.where(A.mask, kspace, 0), atol=1e-12)


def test_full_sampling_gives_the_image_back():
    x = torch.rand(2, 1, 16, 16, generator=seeded(), dtype=torch.float64)
    for A in (MaskedFourier(full()).double(), MultiCoil(full(), simulate_coil_maps(16, 4)).double()):
        assert A.scale == pytest.approx(1, abs=1e-4)
        assert torch.allclose(A.T(A(x)), A.scale**2 * x, atol=1e-6)
        assert torch.allclose(root_sum_of_squares(zero_filled(A, A(x))), x, atol=1e-6)


def test_more_coils_see_more():
    """With one coil half of the lines lose half of the image; several coils tell the halves apart."""
    mask = (torch.arange(32) % 2 == 0).expand(32, 32)
    x = load("shapes").test[:1, :, 12:44, 12:44].double()
    gain = []
    for A in (
        MaskedFourier(mask),
        MultiCoil(mask, simulate_coil_maps(32, 2)),
        MultiCoil(mask, simulate_coil_maps(32, 6)),
    ):
        A = A.double()
        found = reconstruct(A, A(x), Tikhonov(1e-5), solver="cg", max_iter=2_000, tol=1e-9).x
        gain.append(float((found - x).norm() / x.norm()))
    assert gain[0] > 0.5 and gain[1] < gain[0] / 5 and gain[2] < 0.01


def test_maps_are_found_from_the_low_frequencies():
    x, maps = load("brain").test[10, 0], simulate_coil_maps(128, 4)
    mask = radial_mask(128, 45)
    y = torch.where(mask, fourier(maps * x), 0)
    noise = 0.02 * torch.randn(y.shape, generator=seeded(), dtype=y.dtype)
    found = estimate_coil_maps(y + torch.where(mask, noise, 0), width=20, mask=mask)
    total = found.abs().square().sum(0)
    seen = total > 0.5
    assert torch.allclose(total[seen], torch.ones_like(total[seen]), atol=1e-5) and not bool(total[~seen].any())
    head = x > 0.1
    assert float((seen & head).sum() / head.sum()) > 0.99 and not bool(seen[:4].any())
    # a real, positive object has no phase to hide in the maps
    error = (found - maps)[:, seen & head].abs().square().sum(0).sqrt()
    assert float(error.median()) < 0.03 and float(error.max()) < 0.5
    A = MultiCoil(mask, found)
    assert float(psnr(reconstruct(A, A.sample(y[None]), TV(0.002)).x, x[None, None])) > 27


def test_the_measured_kspace():
    """Water in a cylinder: two coils, real noise; a fifth of the samples and TV give nearly the picture of all."""
    k = load_kspace()
    images = inverse_fourier(k.kspace)
    everything = root_sum_of_squares(images[None])
    assert k.kspace.shape == (2, 160, 160) and k.kspace.dtype == torch.complex64
    assert float(everything.flatten().quantile(0.999)) == pytest.approx(1, abs=1e-3)
    row, column = (everything[0, 0] > 0.5).nonzero().float().mean(0)  # in the middle, not wrapped round
    assert 65 < row < 95 and 70 < column < 90
    # sigma is that of the highest frequencies too, where there is hardly any signal
    corner = torch.view_as_real(k.kspace[:, 76:84, 76:84])
    assert float(corner.square().mean().sqrt()) == pytest.approx(k.sigma, rel=0.1)
    mask = radial_mask(160, 31)
    A = MultiCoil(mask, estimate_coil_maps(k.kspace, 20, mask=mask))
    y = A.sample(k.kspace[None])
    found = reconstruct(A, y, TV(0.1)).x
    water = everything > 0.5
    miss = {name: float((x - everything)[water].square().mean().sqrt())
            for name, x in (("tv", found), ("zero", root_sum_of_squares(zero_filled(A, y))))}  # fmt: skip
    assert miss["tv"] < 0.8 * miss["zero"] and miss["tv"] < 2 * k.sigma


# Solvers


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize(("name", "solver"), METHODS, ids=["-".join(m) for m in METHODS])
@pytest.mark.slow
def test_generative_solvers(scan, name, solver):
    """Data from the range, little noise: every method finds the image, and reports the objective of the formula."""
    A, G = SCANS[scan]().double(), tiny()
    x = G.sample(2, seeded(1))
    y = measure(A, x, 1e-4, seeded(2))
    lam, mu = {"hard": (1e-4, 1.0), "relaxed": (1.0, 1e-4)}.get(name, (1e-4, 1e-3))
    start = G.sample_latent(2, seeded(1)) + 0.3
    slow = (name, solver) == ("sparse-TV", "paper")  # a denoising problem in every step
    max_iter = 60 if slow else 150
    r = reconstruct(A, y, GENERATIVE[name][0](G, lam, mu), solver=solver, start=start, max_iter=max_iter)
    u = (r.x - G(r.z)).flatten(1)
    deviation = {
        "hard": 0,
        "relaxed": u.square().sum(1),
        "sparse": u.abs().sum(1),
        "sparse-TV": TV(0.0)(u.reshape(r.x.shape)),
    }[name]
    data = (A(r.x) - y).flatten(1).square().sum(1)
    assert torch.allclose(r.objective, data + lam * (deviation + mu * r.z.square().sum(1)), rtol=1e-6)
    left = (r.x - x).flatten(1).norm(dim=1) / (G(start) - x).flatten(1).norm(dim=1)
    assert float(left.max()) < (0.6 if slow else 0.3)


@pytest.mark.parametrize("scan", SCANS)
def test_classical_solvers(scan):
    A = SCANS[scan]().double()
    x = load("mnist").test[:3].double()
    y = measure(A, x, 0.02, seeded())
    zero = psnr(root_sum_of_squares(zero_filled(A, y)), x)
    tv = reconstruct(A, y, TV(0.01))
    assert bool((psnr(tv.x, x) > zero + 2).all()) and bool(tv.converged.all())
    objective = objective_of(A, y, TV(0.01))
    for seed in range(3):  # no neighbour is better
        near = tv.x + 0.03 * torch.randn(x.shape, generator=seeded(seed), dtype=x.dtype)
        assert bool((objective.value(near) > tv.objective).all())
    direct, cg = (reconstruct(A, y, Tikhonov(0.1), solver=solver) for solver in ("direct", "cg"))
    paper = reconstruct(A, y, Tikhonov(0.1), solver="paper", tol=1e-16, max_iter=2_000)
    assert torch.allclose(cg.x, direct.x, atol=1e-5) and torch.allclose(paper.x, direct.x, atol=1e-5)
    assert torch.allclose(cg.objective, direct.objective)
    normal = A.T(A(direct.x) - y) + 0.1 * direct.x
    assert float(normal.abs().max()) < 1e-6


def test_conjugate_gradients():
    A = SCANS["three coils"]().double()
    y = measure(A, load("mnist").test[:3].double(), 0.02, seeded())
    lam = torch.tensor([1.0, 0.1, 0.001], dtype=torch.float64)
    r = reconstruct(A, y, Tikhonov(lam), solver="cg", trace=True)
    for i in range(3):  # neighbours do not matter
        one = reconstruct(A, y[i : i + 1], Tikhonov(float(lam[i])), solver="cg")
        assert torch.allclose(r.x[i], one.x[0], atol=1e-10) and int(r.iterations[i]) == int(one.iterations)
    assert bool((r.iterations.diff() > 0).all())  # the less regular, the more work
    assert bool((r.trace["f"][1:].diff(dim=0).nan_to_num(-1) <= 1e-12).all())
    residual = A.T(A(r.x) - y) + lam[:, None, None, None] * r.x
    assert bool((residual.flatten(1).norm(dim=1) <= 1e-6 * A.T(y).flatten(1).norm(dim=1)).all())
    again = reconstruct(A, y, Tikhonov(lam), solver="cg", x0=r.x)
    assert int(again.iterations.max()) == 0 and torch.equal(again.x, r.x)
    short = reconstruct(A, y, Tikhonov(lam), solver="cg", max_iter=2)
    assert not bool(short.converged[2]) and int(short.iterations[2]) == 2
    nothing = reconstruct(A, 0 * y, Tikhonov(lam), solver="cg")
    assert not bool(nothing.x.any()) and bool(nothing.converged.all())


def test_what_cannot_be_decomposed_is_solved_without(monkeypatch):
    """128 x 128 and four coils: a matrix of a gigabyte and more.  Here the limit is lowered instead."""
    A, G = SCANS["three coils"]().double(), tiny()
    y = measure(A, G.sample(1, seeded(1)), 0.01, seeded(2))
    monkeypatch.setattr(base, "LARGEST_MATRIX", 100)
    assert not A.decomposes and SCANS["one coil"]().decomposes
    with pytest.raises(ValueError, match=r"decomposition of a \d+ x 784 matrix is out of reach.*'cg', 'paper'"):
        reconstruct(A, y, Tikhonov(0.1), solver="direct")
    auto, cg = (reconstruct(A, y, Tikhonov(0.1), solver=s) for s in ("auto", "cg"))
    assert torch.equal(auto.x, cg.x)
    start = G.sample_latent(1, seeded(3))
    auto, same, paper = (
        reconstruct(A, y, Relaxed(G, 0.1, 0.1), solver=s, start=start) for s in ("auto", "alternating", "paper")
    )
    assert torch.equal(auto.x, same.x) and float(auto.objective) <= float(paper.objective) * (1 + 1e-5)


# Errors


def nan(values):
    values = values.clone()
    values.view(-1)[3] = math.nan
    return values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: radial_mask(128, 0), "'spokes' must be at least 1"),
        (lambda: radial_mask(128, 2.5), "'spokes' must be an integer"),
        (lambda: cartesian_mask(8, 9, 2, seeded()), "'lines' must be at most the size 8, got 9"),
        (lambda: cartesian_mask(8, 4, 5, seeded()), "'centre' must be at most 'lines' = 4, got 5"),
        (lambda: MultiCoil(~full(8), simulate_coil_maps(8, 2)), "'mask' samples nothing"),
        (lambda: MultiCoil(full(8), simulate_coil_maps(9, 2)), r"'maps' must have shape \(coils, 8, 8\), as the mask"),
        (lambda: MultiCoil(full(8), torch.ones(2, 8, 8)), "'maps' must be a complex tensor, got torch.float32"),
        (lambda: MultiCoil(full(8), 0 * simulate_coil_maps(8, 2)), "'maps' are 0 everywhere: no coil sees anything"),
        (lambda: MultiCoil(full(8), nan(simulate_coil_maps(8, 2))), "'maps' must be finite, got 1 NaN|2 NaN"),
        (lambda: MultiCoil(full(8), simulate_coil_maps(8, 2)[:0]), "'maps' must have shape"),
        (lambda: MaskedFourier(full(8)).sample(torch.zeros(1, 1, 9, 9, dtype=torch.complex64)),
         r"'kspace' must have shape \(B, 1, 8, 8\), as mask and coils, got \(1, 1, 9, 9\)"),
        (lambda: MultiCoil(full(8), simulate_coil_maps(8, 2)).sample(torch.zeros(1, 3, 8, 8, dtype=torch.complex64)),
         r"'kspace' must have shape \(B, 2, 8, 8\)"),
        (lambda: MaskedFourier(full(8)).sample(torch.zeros(1, 1, 8, 8)), "'kspace' must be a complex tensor"),
        (lambda: MaskedFourier(full(8)).sample(torch.zeros(1, 1, 8, 8, dtype=torch.complex128)), "parts of dtype"),
        (lambda: MaskedFourier(full(8)).sample(nan(torch.zeros(1, 1, 8, 8, dtype=torch.complex64))),
         "'kspace' must be finite"),
        (lambda: MaskedFourier(full(8)).sample(torch.zeros(1, 1, 8, 8, dtype=torch.complex64, device="meta")),
         "'kspace' must be on device cpu"),
        (lambda: estimate_coil_maps(torch.zeros(2, 8, 8, dtype=torch.complex64), 4), "'kspace' is 0 in its lowest"),
        (lambda: estimate_coil_maps(nan(torch.zeros(2, 8, 8, dtype=torch.complex64)), 8), "'kspace' must be finite"),
        (lambda: estimate_coil_maps(torch.zeros(2, 8, 8), 4), "'kspace' must be a complex tensor"),
        (lambda: estimate_coil_maps(torch.zeros(8, 8, dtype=torch.complex64), 4), "'kspace' must have shape"),
        (lambda: estimate_coil_maps(simulate_coil_maps(8, 2), 9), "'width' must be at most the size 8"),
        (lambda: estimate_coil_maps(simulate_coil_maps(8, 2), 4, threshold=1.0), "'threshold' must lie in"),
        (lambda: estimate_coil_maps(simulate_coil_maps(8, 2), 4, mask=full(9)), r"'mask' must have shape \(8, 8\)"),
        (lambda: estimate_coil_maps(simulate_coil_maps(32, 2), 31, mask=radial_mask(32, 5)), "'mask' leaves out"),
        (lambda: zero_filled(MaskedFourier(full(8)), torch.zeros(1, 2, 63)), "'y' must have shape"),
        (lambda: root_sum_of_squares(torch.zeros(2, 8, 8)), "'images' must have shape"),
        (lambda: simulate_coil_maps(8, 0), "'coils' must be at least 1"),
    ],
)  # fmt: skip
def test_impossible_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


# What coils cost in noise


def dense_g(maps, every, real):
    """From the pseudo-inverse of the whole operator, as a matrix: noise with and without undersampling."""
    coils, size, _ = maps.shape
    pixels = torch.eye(size**2, dtype=torch.float64).reshape(-1, 1, size, size)

    def noise(step):
        mask = torch.zeros(size, size, dtype=torch.bool)
        mask[:, ::step] = True
        samples = torch.fft.fft2(maps * pixels, norm="ortho")[..., mask].flatten(1).T  # (coils k, n)
        if real:
            samples = torch.cat([samples.real, samples.imag])
        return torch.linalg.inv(samples.mH @ samples).diagonal().real

    return (noise(every) / (every * noise(1))).sqrt().reshape(size, size)


@pytest.mark.parametrize(
    ("coils", "every", "images"), [(4, 2, "complex"), (6, 4, "complex"), (2, 4, "real"), (3, 2, "real")]
)
def test_the_g_factor_is_that_of_the_dense_inverse(coils, every, images):
    maps = simulate_coil_maps(12, coils).to(torch.complex128)
    g = g_factor(maps, every, images)
    assert torch.allclose(g, dense_g(maps, every, images == "real"), rtol=1e-6)
    assert float(g.min()) >= 1 and float(g.max()) > 1.01
    assert torch.equal(g_factor(maps, 1, images), torch.ones(12, 12, dtype=torch.float64))


def test_the_g_factor_says_what_cannot_be_found_and_what_nobody_sees():
    maps = simulate_coil_maps(12, 3)
    assert g_factor(maps, 4).isinf().all() and g_factor(maps, 4, "real").isfinite().all()
    maps[:, 2, 5] = 0  # a pixel in the air
    g, full = g_factor(maps, 2), g_factor(simulate_coil_maps(12, 3), 2)
    assert bool(g[2, 5].isnan()) and float(g[2, 11]) == pytest.approx(1.0), "its partner has nothing to be told from"
    others = torch.ones(12, 12, dtype=torch.bool)
    others[2, [5, 11]] = False
    assert torch.allclose(g[others], full[others])
    with pytest.raises(ValueError, match=r"'every' must be a divisor of 12"):
        g_factor(maps, 5)
