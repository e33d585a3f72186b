"""Real data: a tilt series judged by views that were held out, and CT slices of a patient nobody trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.load import load
from ...data.scans import load_tilt_series
from ...generators import Generator
from ...metrics import psnr, ssim
from ...operators import ParallelBeam, fbp, measure
from ...regularisers import TV, Hard, Relaxed, SparseTV, Tikhonov
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import SEEDS, mean, rounded, seeded, start_dictionary
from ...solvers import reconstruct
from ...training.zoo import pretrained
from ...tuning import geometric, sweep, tuned_run

__all__ = ["EXPERIMENTS", "NEEDLE_GREY", "TiltProblem", "ct_row", "tilt_row"]

VAE = "vae-shapes-10"
SIZE = 56
#: The needle is given the grey value of the Shapes, as far as a back-projection can tell it.
NEEDLE_GREY = 0.5
CUTOFFS = [1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13]
GRIDS = {
    "tikhonov": {"lam": geometric(1.0, 1e-5, 0.25)},
    "tv": {"lam": geometric(0.2, 1e-5, 0.25)},
    "hard": {"lam": geometric(6.4, 1e-4, 0.25)},
    "relaxed": {"lam": geometric(4.0, 0.01, 0.25), "mu": [0.1, 0.01]},
    "sparse-tv": {"lam": geometric(0.1, 1e-4, 0.25), "mu": [1.0, 0.1]},
}
REGULARISERS = {"tikhonov": Tikhonov, "tv": TV, "hard": Hard, "relaxed": Relaxed, "sparse-tv": SparseTV}
METHODS = ["fbp", "tikhonov", "tv", "hard", "relaxed", "sparse-tv"]
LABELS = {
    "fbp": "FBP", "tikhonov": "Tikhonov", "tv": "TV", "hard": "VAE hard", "relaxed": "VAE relaxed",
    "sparse-tv": "VAE sparse-TV",
}  # fmt: skip
CT_VIEWS, CT_SIGMA, CT_EXAMPLE = 60, 0.05, 24
SETTINGS = {
    "size": SIZE, "generator": VAE, "cutoffs": CUTOFFS, "grids": GRIDS, "seeds": SEEDS, "needle_grey": NEEDLE_GREY,
    "ct_views": CT_VIEWS, "ct_sigma": CT_SIGMA, "ct_example": CT_EXAMPLE, "psnr_data_range": 1,
}  # fmt: skip


class TiltProblem:
    """The tilt series with every second tilt held out.

    The detector's 256 bins span the diagonal of a 56 x 56 image.  Each layer is scaled so that its needle has about
    the grey value of the Shapes; a measured unit says nothing about that.

    Attributes
    ----------
    A, y : operator and data (8, 39, 256) of the tilts -76, -72, ..., 76 degrees
    A_held, y_held : of the 38 tilts between them, never used for a reconstruction
    """

    def __init__(self, size: int = SIZE) -> None:
        series = load_tilt_series()
        self.series = series
        bins = series.sinograms.shape[2]
        angles = series.angles.tolist()
        self.A = ParallelBeam(size, angles=angles[::2], n_detectors=bins)
        self.A_held = ParallelBeam(size, angles=angles[1::2], n_detectors=bins)
        whole = ParallelBeam(size, angles=angles, n_detectors=bins)
        seen = fbp(whole, series.sinograms * whole.scale, "hann", 0.3).flatten(1)
        inside = torch.stack([image[image > 0.5 * image.quantile(0.99)].median() for image in seen])
        self.factor = NEEDLE_GREY / inside[:, None, None]
        scaled = series.sinograms * self.factor
        self.y, self.y_held = scaled[:, ::2] * self.A.scale, scaled[:, 1::2] * self.A_held.scale

    def errors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Relative misfit of the used and of the held-out views, of each layer."""
        pairs = ((self.A, self.y), (self.A_held, self.y_held))
        used, held = ((A(x) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1) for A, y in pairs)
        return used, held


def _generator(method: str) -> tuple[Generator | None, dict]:
    if method in ("fbp", "tikhonov", "tv"):
        return None, {}
    G = pretrained(VAE, verbose=False)
    return G, {"start": start_dictionary(G, load("shapes").train)}


def _maker(method: str, G: Generator | None):
    regulariser = REGULARISERS[method]
    return regulariser if G is None else lambda *weights: regulariser(G, *weights)


def tilt_row(method: str) -> dict:
    """One method on the eight layers, its weights chosen by the held-out views of the first layer."""
    problem = TiltProblem()
    A, y = problem.A, problem.y
    if method == "fbp":
        held = {c: float(problem.errors(fbp(A, y, "hann", c))[1][0]) for c in CUTOFFS}
        weights = {"cutoff": min(held, key=held.get)}
        x, seconds = fbp(A, y, "hann", weights["cutoff"]), None
    else:
        G, settings = _generator(method)
        grid, make = GRIDS[method], _maker(method, G)
        first = problem.y[:1]
        tried = sweep(A, first, torch.zeros(1, 1, SIZE, SIZE), make, grid["lam"], grid.get("mu"), **settings)
        P = len(tried.parameters)
        data = problem.y_held[:1].expand(P, -1, -1)
        held = (problem.A_held(tried.result.x) - data).flatten(1).norm(dim=1)
        weights = tried.parameters[int(held.argmin())]
        result = reconstruct(A, y, make(*weights.values()), **settings)
        x, seconds = result.x, result.seconds
    used, held_out = problem.errors(x)
    row = {**weights, "used": rounded(used, 4), "held_out": rounded(held_out, 4), "examples": pack(x[[2, 5]])}
    if seconds is not None:
        row["ms_per_image"] = round(1e3 * seconds / len(y), 1)
    if method == "sparse-tv":
        row["example_deviations"] = pack(result.u[[2, 5]], -1.0, 1.0)
    return row


def ct_row(method: str, n_test: int = 48) -> dict:
    """One method on simulated data of the CT slices: tuned on slices of one patient, judged on the other."""
    data = load("ct")
    A = ParallelBeam.full(SIZE, n_angles=CT_VIEWS)
    x_val, x = data.val, data.test[:n_test]
    y_val, y = measure(A, x_val, CT_SIGMA, seeded(1)), measure(A, x, CT_SIGMA, seeded(3))
    if method == "fbp":
        quality = {c: float(psnr(fbp(A, y_val, "hann", c), x_val).mean()) for c in CUTOFFS}
        weights = {"cutoff": max(quality, key=quality.get)}
        found = fbp(A, y, "hann", weights["cutoff"])
    else:
        G, settings = _generator(method)
        grid, make = GRIDS[method], _maker(method, G)
        chosen, result = tuned_run(A, (x_val, y_val), y, make, grid["lam"], grid.get("mu"), **settings)
        weights = {name: chosen[name] for name in ("lam", "mu") if name in chosen}
        found = result.x
    residual = (A(found) - y).flatten(1).norm(dim=1) / (CT_SIGMA * A.m**0.5)
    shown = slice(CT_EXAMPLE, CT_EXAMPLE + 1)
    row = {
        **weights, "psnr": rounded(psnr(found, x)), "ssim": rounded(ssim(found, x)), "residual": rounded(residual),
        "examples": pack(found[shown]),
    }  # fmt: skip
    if method == "sparse-tv":
        row["example_deviations"] = pack(result.u[shown], -1.0, 1.0)
    return row


def real_tasks() -> list[dict]:
    return [{"data": data, "method": m} for data in ("tilt", "ct") for m in METHODS]


def real_job(data: str, method: str) -> dict:
    """A method on the tilt series or on the CT slices."""
    return tilt_row(method) if data == "tilt" else ct_row(method)


def real_figure(record: dict):
    """Reconstructions of two needle layers and of one CT slice by every method."""
    from .figures import real_figure as draw

    return draw(record, LABELS, load("ct").test[record["settings"]["ct_example"]])


def real_story(record: dict) -> str:
    """What the held-out views and the other patient say."""
    tilt = {r["method"]: mean(r["held_out"]) for r in record["rows"] if r["data"] == "tilt"}
    ct = {r["method"]: mean(r["psnr"]) for r in record["rows"] if r["data"] == "ct"}
    fit = {r["method"]: mean(r["residual"]) for r in record["rows"] if r["data"] == "ct"}
    held = ", ".join(f"{LABELS[m]} {100 * v:.1f}" for m, v in tilt.items())
    quality = ", ".join(f"{LABELS[m]} {v:.1f} dB" for m, v in ct.items())
    return (
        f"Tilt series, mean misfit of held-out views in per cent: {held}. CT, other patient: {quality}. Hard leaves a "
        f"residual of {fit['hard']:.1f} times the noise on the CT, TV {fit['tv']:.1f}: the data say that the Shapes "
        f"generator cannot draw a chest."
    )


EXPERIMENTS = {
    "table-real": Experiment(
        name="table-real",
        title="Real data: an electron tilt series and CT of two patients, with a Shapes generator",
        tasks=real_tasks,
        run=real_job,
        settings=SETTINGS,
        figure=real_figure,
        story=real_story,
    )
}
