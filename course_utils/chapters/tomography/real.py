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
from ...tuning import Sweep, geometric
from .searching import MOST, grown_grid
from .spots import drawn_step

__all__ = ["EXPERIMENTS", "NEEDLE_GREY", "TiltProblem", "ct_example", "ct_row", "tilt_row"]

VAE = "vae-shapes-10"
SIZE = 56
#: The needle is given the grey value of the Shapes, as far as a back-projection can tell it.
NEEDLE_GREY = 0.5
CUTOFFS = [1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13]
#: TV and sparse-TV begin with the same values on the same data; every grid is continued where its best is at an end.
TV_WEIGHTS = {"tilt": geometric(1.6e-3, 1e-4, 0.5), "ct": geometric(0.05, 6e-3, 0.5)}
GRIDS = {
    "tikhonov": {"lam": geometric(1.0, 1e-5, 0.25)},
    "tv": {"lam": TV_WEIGHTS},
    "hard": {"lam": geometric(6.4, 1e-4, 0.25)},
    "relaxed": {"lam": geometric(4.0, 0.01, 0.25), "mu": geometric(0.1, 0.006, 0.25)},
    "sparse-tv": {"lam": TV_WEIGHTS, "mu": geometric(1.6, 0.1, 0.25)},
}
REGULARISERS = {"tikhonov": Tikhonov, "tv": TV, "hard": Hard, "relaxed": Relaxed, "sparse-tv": SparseTV}
METHODS = ["fbp", "tikhonov", "tv", "hard", "relaxed", "sparse-tv"]
LABELS = {
    "fbp": "FBP", "tikhonov": "Tikhonov", "tv": "TV", "hard": "VAE hard", "relaxed": "VAE relaxed",
    "sparse-tv": "VAE sparse-TV",
}  # fmt: skip
CT_VIEWS, CT_SIGMA, CT_EXAMPLE = 60, 0.05, 24
#: The layer by which the weights are chosen, which is not judged; the others; and those of them that are pictured.
TUNING_LAYER, JUDGED, PICTURED = 0, slice(1, None), (2, 5)
SETTINGS = {
    "size": SIZE, "generator": VAE, "cutoffs": CUTOFFS, "grids": GRIDS, "seeds": SEEDS, "needle_grey": NEEDLE_GREY,
    "ct_views": CT_VIEWS, "ct_sigma": CT_SIGMA, "ct_example": CT_EXAMPLE, "psnr_data_range": 1, "most_added": MOST,
    "tuning_layer": TUNING_LAYER, "pictured": list(PICTURED),
}  # fmt: skip


class TiltProblem:
    """The tilt series with every second tilt held out.

    The detector's 256 bins span the diagonal of a 56 x 56 image.  Each layer is scaled so that its needle has about
    the grey value of the Shapes; a measured unit says nothing about that.  The scale comes from the used tilts alone.

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
        used = series.sinograms[:, ::2]
        seen = fbp(self.A, used * self.A.scale, "hann", 0.3).flatten(1)
        inside = torch.stack([image[image > 0.5 * image.quantile(0.99)].median() for image in seen])
        self.factor = NEEDLE_GREY / inside[:, None, None]
        self.y = used * self.factor * self.A.scale
        self.y_held = series.sinograms[:, 1::2] * self.factor * self.A_held.scale

    def errors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Relative misfit of the used and of the held-out views, of each layer."""
        pairs = ((self.A, self.y), (self.A_held, self.y_held))
        used, held = ((A(x) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1) for A, y in pairs)
        return used, held

    def between(self) -> Tensor:
        """Misfit of each held-out view predicted without tomography, by the mean of the views on both sides of it."""
        middle = (self.y[:, :-1] + self.y[:, 1:]) / 2 * self.A_held.scale / self.A.scale
        return (middle - self.y_held).flatten(1).norm(dim=1) / self.y_held.flatten(1).norm(dim=1)


def first_grid(method: str, data: str) -> dict[str, list[float]]:
    """Where the search for the weights begins on the tilt series or on the CT slices."""
    return {name: grid[data] if isinstance(grid, dict) else grid for name, grid in GRIDS[method].items()}


def _weights(chosen: dict) -> dict[str, float]:
    return {name: chosen[name] for name in ("lam", "mu") if name in chosen}


def _generator(method: str) -> tuple[Generator | None, dict]:
    if method in ("fbp", "tikhonov", "tv"):
        return None, {}
    G = pretrained(VAE, verbose=False)
    return G, {"start": start_dictionary(G, load("shapes").train)}


def _maker(method: str, G: Generator | None):
    regulariser = REGULARISERS[method]
    return regulariser if G is None else lambda *weights: regulariser(G, *weights)


def tilt_row(method: str) -> dict:
    """One method: weights chosen by the held-out views of one layer, judged on those of the seven others."""
    problem = TiltProblem()
    A, y, pictured = problem.A, problem.y, list(PICTURED)
    if method == "fbp":
        held = {c: float(problem.errors(fbp(A, y, "hann", c))[1][TUNING_LAYER]) for c in CUTOFFS}
        row = {"cutoff": min(held, key=held.get)}
        x = fbp(A, y, "hann", row["cutoff"])
    else:
        G, settings = _generator(method)
        make, tuning = _maker(method, G), slice(TUNING_LAYER, TUNING_LAYER + 1)
        data = problem.y_held[tuning]

        def predicts(found: Sweep) -> Tensor:
            misfit = (problem.A_held(found.result.x) - data).flatten(1).norm(dim=1)
            return -100 * misfit / data.norm()

        unknown = torch.zeros(1, 1, SIZE, SIZE)
        row = grown_grid(A, (unknown, y[tuning]), make, **first_grid(method, "tilt"), score=predicts, **settings)
        row["val_misfit"] = -row.pop("val_psnr")
        result = reconstruct(A, y, make(*_weights(row).values()), **settings)
        x = result.x
        row["ms_per_image"] = round(1e3 * result.seconds / len(y), 1)
    used, held_out = (part[JUDGED] for part in problem.errors(x))
    row |= {"used": rounded(used, 4), "held_out": rounded(held_out, 4), "examples": pack(x[pictured])}
    row["example_misfits"] = rounded(problem.errors(x)[1][pictured], 4)
    if method == "sparse-tv":
        row["example_deviations"] = pack(result.u[pictured], -1.0, 1.0)
    return row


def ct_row(method: str, n_test: int = 48) -> dict:
    """One method on simulated data of the CT slices: tuned on slices of one patient, judged on the other."""
    data = load("ct")
    A = ParallelBeam.full(SIZE, n_angles=CT_VIEWS)
    x_val, x = data.val, data.test[:n_test]
    y_val, y = measure(A, x_val, CT_SIGMA, seeded(1)), measure(A, x, CT_SIGMA, seeded(3))
    if method == "fbp":
        quality = {c: float(psnr(fbp(A, y_val, "hann", c), x_val).mean()) for c in CUTOFFS}
        row = {"cutoff": max(quality, key=quality.get)}
        found = fbp(A, y, "hann", row["cutoff"])
    else:
        G, settings = _generator(method)
        make = _maker(method, G)
        row = grown_grid(A, (x_val, y_val), make, **first_grid(method, "ct"), **settings)
        result = reconstruct(A, y, make(*_weights(row).values()), **settings)
        found = result.x
    residual = (A(found) - y).flatten(1).norm(dim=1) / (CT_SIGMA * A.m**0.5)
    shown = slice(CT_EXAMPLE, CT_EXAMPLE + 1)
    row |= {
        "psnr": rounded(psnr(found, x)), "ssim": rounded(ssim(found, x)), "residual": rounded(residual),
        "examples": pack(found[shown]),
    }  # fmt: skip
    if method == "sparse-tv":
        row["example_deviations"] = pack(result.u[shown], -1.0, 1.0)
        row["drawn"] = _drawn(A, x, y, result.x, G(result.z), row["lam"])
    return row


def _drawn(A: ParallelBeam, x: Tensor, y: Tensor, found: Tensor, g: Tensor, lam: float) -> dict:
    """The step at the outline of what G drew: in the patient, by sparse-TV, and by TV with the same lambda."""
    by_tv = reconstruct(A, y, TV(lam)).x
    steps = {"truth": x, "sparse-tv": found, "tv": by_tv, "generator": g}
    return {name: rounded(drawn_step(image, g)) for name, image in steps.items()} | {"tv_psnr": rounded(psnr(by_tv, x))}


def ct_example(n_test: int = 48) -> tuple[ParallelBeam, Tensor, Tensor]:
    """Operator, truth and data of the CT slice that is pictured."""
    A, x = ParallelBeam.full(SIZE, n_angles=CT_VIEWS), load("ct").test[:n_test]
    y = measure(A, x, CT_SIGMA, seeded(3))
    return A, x[CT_EXAMPLE : CT_EXAMPLE + 1], y[CT_EXAMPLE : CT_EXAMPLE + 1]


def real_tasks() -> list[dict]:
    return [{"data": data, "method": m} for data in ("tilt", "ct") for m in METHODS]


def real_job(data: str, method: str) -> dict:
    """A method on the tilt series or on the CT slices."""
    return tilt_row(method) if data == "tilt" else ct_row(method)


def real_figure(record: dict):
    """Reconstructions of two needle layers and of one CT slice by every method."""
    from .real_figures import real_figure as draw

    return draw(record, LABELS, load("ct").test[record["settings"]["ct_example"]])


def real_story(record: dict) -> str:
    """What the held-out views and the other patient say."""
    tilt = {r["method"]: mean(r["held_out"]) for r in record["rows"] if r["data"] == "tilt"}
    ct = {r["method"]: mean(r["psnr"]) for r in record["rows"] if r["data"] == "ct"}
    fit = {r["method"]: mean(r["residual"]) for r in record["rows"] if r["data"] == "ct"}
    held = ", ".join(f"{LABELS[m]} {100 * v:.1f}" for m, v in tilt.items())
    quality = ", ".join(f"{LABELS[m]} {v:.1f} dB" for m, v in ct.items())
    drawn = next(r["drawn"] for r in record["rows"] if r["data"] == "ct" and r["method"] == "sparse-tv")
    step = {name: mean(drawn[name]) for name in ("truth", "sparse-tv", "tv")}
    return (
        f"Tilt series, seven layers by which nothing was tuned, mean misfit of held-out views in per cent: {held}. CT, "
        f"other patient: {quality}. Hard leaves a residual of {fit['hard']:.1f} times the noise on the CT, TV "
        f"{fit['tv']:.1f}, sparse-TV {fit['sparse-tv']:.2f}. At the outline of what G drew for sparse-TV the patient's "
        f"grey value rises by {step['truth']:+.2f}, sparse-TV's by {step['sparse-tv']:+.2f}, TV's with the same lambda "
        f"by {step['tv']:+.2f}: the difference to the patient is invented, and the residual does not show it."
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
