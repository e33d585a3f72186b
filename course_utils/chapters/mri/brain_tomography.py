"""Fig. 12: tomography of brain slices, as the paper's of knees, with noise from little to much."""

from __future__ import annotations

import functools

from torch import Tensor

from ...operators import ParallelBeam, measure
from ...regularisers import Tikhonov
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import SEEDS, rounded, seeded
from ...tuning import Sweep, geometric, sweep
from .brains import (
    EXAMPLE,
    FIRST,
    GENERATIVE,
    TEST_STEP,
    VAE,
    VAL_STEP,
    WINDOW,
    brain_generator,
    example_truth,
    first_z,
    heads,
    scaled,
    shipped,
    window,
)

__all__ = ["EXPERIMENTS", "METHODS", "NOISE", "fig12_row"]

NOISE = (0.001, 0.003, 0.01, 0.03, 0.1)
METHODS = ("tikhonov", "hard", "relaxed", "sparse")
#: Weights; those "by variance" are multiples of sigma^2.
GRIDS = {
    "tikhonov": {"lam by variance": geometric(2048.0, 1.0, 0.5)},
    "hard": {"lam": geometric(4.0, 0.0009, 0.25)},
    "relaxed": {"lam by variance": geometric(2048.0, 16.0, 0.5), "mu": [0.01]},  # 0.1 and 0.001 are within 0.2 dB
    "sparse": {"lam by variance": geometric(256.0, 8.0, 0.5), "mu": [0.1]},
}
#: The matrix is too large to be decomposed, so x is found by conjugate gradients.
SOLVERS = {
    "tikhonov": {"solver": "cg", "max_iter": 100, "tol": 1e-4},
    "hard": {"max_iter": 200},
    "relaxed": {"solver": "alternating", "max_iter": 12, "tol": 1e-4},
    "sparse": {"solver": "paper", "stop": "objective", "max_iter": 150, "tol": 1e-5},
}


@functools.lru_cache(maxsize=1)
def operator(size: int) -> ParallelBeam:
    """The paper's geometry, kept for the next job of this process: 285 views x 183 bins for 128 x 128 pixels."""
    return ParallelBeam.full(size)


def fig12_row(method: str, sigma: float, val_step: int = VAL_STEP, test_step: int = TEST_STEP) -> dict:
    """One method at one noise level, every weight on every slice.

    "oracle_psnr" takes for each test slice the weights of highest PSNR, which needs the truth, as the paper does;
    "psnr" takes for all of them the weights of highest mean PSNR on the validation head.  Seconds are without those
    for the start, which all weights share.
    """
    x_val, x = heads(val_step, test_step)
    A = operator(x.shape[-1])
    y_val, y = measure(A, x_val, sigma, seeded(SEEDS["noise_val"])), measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    at_val, at_test = {}, {}
    if method == "tikhonov":
        make = Tikhonov
    else:
        G, starts = brain_generator(VAE)
        at_val, at_test = ({"start": starts if method == "hard" else first_z(A, data, VAE)} for data in (y_val, y))

        def make(*weights):
            return GENERATIVE[method](G, *weights)

    grid = GRIDS[method]
    lam = grid["lam"] if "lam" in grid else scaled(grid["lam by variance"], sigma**2)
    validated = sweep(A, y_val, x_val, make, lam, grid.get("mu"), **at_val, **SOLVERS[method])
    tested = sweep(A, y, x, make, lam, grid.get("mu"), **at_test, **SOLVERS[method])
    tuned, oracle = int(validated.psnr.mean(1).argmax()), tested.psnr.argmax(0)
    row = {
        **validated.row(),
        "psnr": rounded(tested.psnr[tuned], 2),
        "oracle_psnr": rounded(tested.psnr.max(0).values, 2),
        "oracle_at_edge": at_edges(tested, oracle),
        "seconds_per_image_and_weight": round(tested.result.seconds / tested.psnr.numel(), 4),
        "converged": round(float(tested.result.converged.float().mean()), 2),
    }
    images = tested.result.x.unflatten(0, tested.psnr.shape)
    return row | {"example": pack(window(images[int(oracle[EXAMPLE]), EXAMPLE][None]))[0]}


def at_edges(tested: Sweep, chosen: Tensor) -> float:
    """For which part of the images the first weight chosen is the least or the greatest that was tried."""
    values = [p["lam"] for p in tested.parameters]
    ends = (min(values), max(values))
    return round(sum(values[int(k)] in ends for k in chosen) / len(chosen), 2)


def fig12_tasks() -> list[dict]:
    return [{"method": m, "sigma": s} for m in METHODS if m == "tikhonov" or shipped(VAE) for s in NOISE]


def fig12_figure(record: dict):
    """PSNR against noise with the spread over slices, and one slice at every noise level."""
    from .covariance_figures import fig12_figure as draw

    return draw(record, example_truth(record))


def fig12_story(record: dict) -> str:
    """Each claim of the paper's text with what our numbers say of it."""
    from .fig12_claims import fig12_words

    return fig12_words(record)


SETTINGS = {
    "images": "brain slices of 128 x 128 pixels; validation and test heads, every so many-th slice",
    "val_step": VAL_STEP, "test_step": TEST_STEP, "geometry": "285 views x 183 bins", "noise": list(NOISE),
    "methods": list(METHODS), "generator": VAE, "grids": GRIDS, "solvers": SOLVERS, "first": FIRST, "seeds": SEEDS,
    "psnr_data_range": 1, "example": EXAMPLE, "window": WINDOW,
}  # fmt: skip

EXPERIMENTS = {
    "fig12": Experiment(
        name="fig12",
        title="Tomography of brain slices: Tikhonov, hard, relaxed, sparse over noise levels",
        tasks=fig12_tasks,
        run=fig12_row,
        settings=SETTINGS,
        figure=fig12_figure,
        story=fig12_story,
    )
}
