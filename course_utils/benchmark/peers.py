"""Other libraries on the same task in the same run: projectors, TV denoising, inversion of a generator by Adam.

scikit-image and torch are there.  Where installed, ODL and astra-toolbox (``pip install -e ".[peers]"``) take part, and
DeepInverse (``deepinv``, beside a torchvision that fits the installed torch).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from types import ModuleType

import numpy as np
import torch

from ..data.load import load
from ..operators import GaussianMatrix, ParallelBeam, measure
from ..regularisers import TV, Hard
from ..solvers import Dictionary, reconstruct
from ..training.zoo import pretrained
from .timing import best_of, seeded

__all__ = ["peers"]

SIDES, BATCH, N_ALONE = (56, 128), 128, 8
TAU, M, SIGMA, LAM = 0.2, 150, 0.05, 0.002


def peers(log) -> dict:
    """Rows: task, library, version, milliseconds an image."""
    rows, absent = [], []

    def add(task: str, library: str, seconds: float, **more) -> None:
        version = metadata.version(PACKAGES[library]) if library in PACKAGES else ""
        rows.append({"task": task, "library": library, "version": version, "ms": round(1e3 * seconds, 4)} | more)
        extra = ", ".join(f"{key} {value:.4g}" for key, value in more.items())
        log(f"{task}, {library} {version}: {rows[-1]['ms']:.3f} ms {extra}")

    for side in SIDES:
        A = ParallelBeam.full(side)
        x = torch.rand(BATCH, 1, side, side, generator=seeded(0))
        y = A(x)
        add(f"forward {side}", "ours", best_of(3, lambda: A(x))[0] / BATCH)  # noqa: B023
        add(f"adjoint {side}", "ours", best_of(3, lambda: A.T(y))[0] / BATCH)  # noqa: B023
        for library, make in PROJECTORS.items():
            try:
                forward, adjoint = make(A, x[0, 0].numpy(), y[0].numpy())
            except ImportError:
                absent.append(library)
                continue
            add(f"forward {side}", library, best_of(3, forward)[0])
            add(f"adjoint {side}", library, best_of(3, adjoint)[0])
        try:
            forward, adjoint = _deepinv_projector(A, x)
        except ImportError:
            absent.append("DeepInverse")
            continue
        add(f"forward {side}", "DeepInverse", best_of(2, forward)[0] / BATCH)
        add(f"adjoint {side}", "DeepInverse", best_of(2, adjoint)[0] / BATCH)
    _denoising(add)
    _inversion(add)
    for library in dict.fromkeys(absent):
        log(f"{library}: not installed")
    settings = {
        "batch_ours": BATCH, "one_at_a_time": N_ALONE, "tau": TAU, "m": M, "sigma": SIGMA, "lam": LAM,
        "not_installed": list(dict.fromkeys(absent)), "seeds": {"x": 0, "noise": 1, "dictionary": 3, "adam": 4},
    }  # fmt: skip
    return {"settings": settings, "rows": rows, "summary": {}}


PACKAGES = {
    "scikit-image": "scikit-image", "astra, line": "astra-toolbox", "ODL on astra": "odl", "torch.optim.Adam": "torch",
    "DeepInverse": "deepinv",
}  # fmt: skip


def _skimage(A: ParallelBeam, x: np.ndarray, y: np.ndarray) -> tuple[Callable, Callable]:
    from skimage.transform import iradon, radon

    degrees = np.rad2deg(A.angles.numpy())
    sinogram = radon(x, degrees, circle=False)
    return (
        lambda: radon(x, degrees, circle=False),
        lambda: iradon(sinogram, degrees, filter_name=None, circle=False, output_size=x.shape[0]),
    )


def _astra(A: ParallelBeam, x: np.ndarray, y: np.ndarray) -> tuple[Callable, Callable]:
    astra = importlib.import_module("astra")
    beams = astra.create_proj_geom("parallel", A.bin_width, y.shape[1], A.angles.double().numpy())
    projector = astra.create_projector("line", beams, astra.create_vol_geom(*x.shape))
    operator = astra.OpTomo(projector)
    flat, data = x.ravel(), y.ravel()
    return lambda: operator @ flat, lambda: operator.T @ data


def _odl(A: ParallelBeam, x: np.ndarray, y: np.ndarray) -> tuple[Callable, Callable]:
    odl, tomo = importlib.import_module("odl"), importlib.import_module("odl.applications.tomo")
    importlib.import_module("astra")
    half = x.shape[0] / 2
    space = odl.uniform_discr([-half, -half], [half, half], x.shape, dtype="float32")
    ray = tomo.RayTransform(space, tomo.parallel_beam_geometry(space), impl="astra_cpu")
    image = space.element(x)
    data = ray(image)
    return lambda: ray(image).data, lambda: ray.adjoint(data).data


def _deepinv(part: str) -> ModuleType:
    try:
        return importlib.import_module(f"deepinv.{part}")
    except RuntimeError as error:  # its torchvision was built for another torch
        raise ImportError(str(error)) from error


def _deepinv_projector(A: ParallelBeam, x: torch.Tensor) -> tuple[Callable, Callable]:
    """Its projector takes a batch, as ours does, so it gets the same one."""
    degrees = torch.rad2deg(A.angles)
    physics = _deepinv("physics").Tomography(angles=degrees, img_width=x.shape[-1], circle=False, normalize=False)
    y = physics.A(x)
    return lambda: physics.A(x), lambda: physics.A_adjoint(y)


PROJECTORS = {"scikit-image": _skimage, "astra, line": _astra, "ODL on astra": _odl}


def _denoising(add: Callable) -> None:
    """TV denoising, ||v - x||^2 / (2 tau) + TV(v): scikit-image's tolerance falls until its objective is as low."""
    from skimage.restoration import denoise_tv_chambolle

    noisy = load("shapes").test[:BATCH] + 0.1 * torch.randn(BATCH, 1, 56, 56, generator=seeded(1))
    R = TV(1.0)

    def objective(v: torch.Tensor, x: torch.Tensor) -> float:
        return float((R(v) + (v - x).pow(2).flatten(1).sum(1) / (2 * TAU)).mean())

    seconds, ours = best_of(2, lambda: R.prox(noisy, TAU, tol=1e-4))
    reached = objective(ours[:N_ALONE], noisy[:N_ALONE])
    add("TV denoising", "ours", seconds / BATCH, objective=reached)
    images = noisy[:N_ALONE, 0].double().numpy()
    for eps in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):

        def alone(eps: float = eps) -> np.ndarray:
            return np.stack([denoise_tv_chambolle(i, TAU, eps=eps, max_num_iter=20_000) for i in images])

        seconds, found = best_of(1, alone)
        value = objective(torch.from_numpy(found)[:, None].float(), noisy[:N_ALONE])
        if value <= reached * (1 + 1e-3):
            break
    add("TV denoising", "scikit-image", seconds / N_ALONE, objective=value)
    try:
        TVDenoiser = _deepinv("models").TVDenoiser
    except ImportError:
        return
    for crit in (1e-4, 1e-5, 1e-6):
        # takes the whole batch; a new one each time, for it goes on from where its last call ended
        seconds, found = best_of(1, lambda crit=crit: TVDenoiser(n_it_max=20_000, crit=crit)(noisy, ths=TAU))
        value = objective(found[:N_ALONE], noisy[:N_ALONE])
        if value <= reached * (1 + 1e-3):
            break
    add("TV denoising", "DeepInverse", seconds / BATCH, objective=value)


def _inversion(add: Callable) -> None:
    """Hard compressed sensing: ours, and one image at a time by Adam, 1,000 steps of 0.1 from one random start."""
    G = pretrained("vae-mnist-8", verbose=False)
    A = GaussianMatrix(M, 28, seeded(0))
    y = measure(A, load("mnist").test[:BATCH], SIGMA, seeded(1))
    starts = Dictionary(G, seeded(3))
    seconds, ours = best_of(2, lambda: reconstruct(A, y, Hard(G, LAM), start=starts))
    add("hard inversion", "ours", seconds / BATCH, objective=float(ours.objective[:N_ALONE].mean()))
    z0 = G.sample_latent(N_ALONE, seeded(4))

    def adam() -> float:
        total = 0.0
        for i in range(N_ALONE):
            z = z0[i : i + 1].clone().requires_grad_()
            optimiser = torch.optim.Adam([z], lr=0.1)
            for _ in range(1_000):
                optimiser.zero_grad()
                f = (A(G(z)) - y[i : i + 1]).pow(2).sum() + LAM * z.pow(2).sum()
                f.backward()
                optimiser.step()
            total += f.item()
        return total / N_ALONE

    seconds, value = best_of(1, adam)
    add("hard inversion", "torch.optim.Adam", seconds / N_ALONE, objective=value)
