"""Several training runs of each main generator, and four laws for its latent vectors."""

from __future__ import annotations

import statistics

from torch import Tensor

from ...data.load import load
from ...figures.labels import DATA, TITLES
from ...generators import VAE
from ...properties import (
    LAWS,
    emd,
    frechet_distance,
    judge,
    latent_draws,
    latent_spread,
    latents_of,
    lipschitz,
    range_errors,
    subset,
    two_shapes,
)
from ...properties.batches import images_of
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded, seeded
from ...training.zoo import pretrained, shipped_seeds
from .experiments import SEEDS, test_images
from .story import FAMILIES, MAIN, name_of

__all__ = ["EXPERIMENTS", "laws_figure", "laws_story", "laws_table", "spread", "verdicts"]

SETTINGS = {
    "n": 2_000, "n_search": 300, "n_search_wgan": 100, "codes": 10_000, "codes_wgan": 1_000,
    "laws": list(LAWS), "seeds": SEEDS,
    "good": "MNIST: a classifier gives one digit more than 0.9; Shapes: exactly one rectangle and one circle",
}  # fmt: skip
LAW_NAMES = {"prior": "N(0, I)", "gaussian": "fitted Gaussian", "aggregated": "aggregated", "flow": "learned (flow)"}


def laws_tasks() -> list[dict]:
    models = [
        {"data": data, "family": family, "d": d, "seed": seed}
        for data, d in MAIN.items()
        for family in FAMILIES
        for seed in shipped_seeds(name_of(family, data, d))
    ]
    return [{"data": data, "family": "real", "d": 0, "seed": 0} for data in MAIN] + models


def good(data: str, x: Tensor) -> float:
    """The share of images that are surely a digit, or exactly a rectangle and a circle."""
    return judge(x).sure if data == "mnist" else float(two_shapes(x).double().mean())


def scores(data: str, x: Tensor, drawn: Tensor) -> dict:
    """Distance of drawn images from test images ``x``, and the share of good ones."""
    found = {
        "emd": round(emd(x, drawn).value, 2),
        "frechet": round(frechet_distance(x, drawn), 3),
        "good": round(good(data, drawn), 4),
    }
    if data == "mnist":
        found["classes"] = rounded(judge(drawn).classes, 3)
    return found


def laws_row(
    data: str, family: str, d: int, seed: int, n: int = SETTINGS["n"], codes: int | None = None,
    n_search: int | None = None,
) -> dict:  # fmt: skip
    """A1, A3, B1 and B2 of one training run, and A3 under each law of z; for "real" what other real images score."""
    x, train = test_images(data, n), load(data).train
    if family == "real":
        return scores(data, x, subset(train, n, seeded(SEEDS["samples"])))
    G = pretrained(name_of(family, data, d), seed=seed, verbose=False)
    of = "" if G.has_encoder else "_wgan"
    codes, n_search = codes or SETTINGS[f"codes{of}"], n_search or SETTINGS[f"n_search{of}"]
    seen = subset(train, codes, seeded(SEEDS["images"]))
    z = latents_of(G, seen, seeded(SEEDS["starts"]))
    found = range_errors(G, x[:n_search], seeded(SEEDS["starts"]))
    spread = latent_spread(found.z, seeded(SEEDS["samples"]))
    draws = latent_draws(z, n, seeded(SEEDS["samples"]))
    steep = lipschitz(G, found.z[:50])
    return {
        "nrmse": round(float(found.nrmse.median()), 4),
        "psnr": round(float(found.psnr.mean()), 2),
        "rho": round(float(G.config.rho), 4) if isinstance(G, VAE) else None,
        "energy": round(spread.energy.statistic, 4), "critical": round(spread.energy.critical, 4),
        "radius": round(spread.radius, 3),
        "mean_norm": round(float(z.mean(0).norm()), 3),
        "slope": round(float(steep.median()), 3),
        "slope_scaled": round(float(steep.median()) * spread.radius, 3),
        "laws": {law: scores(data, x, images_of(G, v)) for law, v in draws.items()},
    }  # fmt: skip


def _runs(record: dict, data: str, family: str) -> list[dict]:
    return [r for r in record["rows"] if (r["data"], r["family"]) == (data, family)]


def _real(record: dict, data: str) -> dict:
    return _runs(record, data, "real")[0]


def spread(values: list[float], digits: int) -> str:
    """Mean and standard deviation over training runs; the value alone if there is one."""
    middle = f"{statistics.mean(values):.{digits}f}"
    return middle if len(values) < 2 else f"{middle} ± {statistics.stdev(values):.{digits}f}"


def laws_table(record: dict, data: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows: EMD, Fréchet distance and share of good samples for each family and law, mean ± over the runs."""
    rows = []
    for family in FAMILIES:
        runs = _runs(record, data, family)
        for law in LAWS:
            values = [r["laws"][law] for r in runs]
            rows.append([
                TITLES[family], LAW_NAMES[law], spread([v["emd"] for v in values], 1),
                spread([v["frechet"] for v in values], 1 if data == "mnist" else 2),
                spread([100 * v["good"] for v in values], 0),
            ])  # fmt: skip
    real = _real(record, data)
    digits = 1 if data == "mnist" else 2
    rows.append(["real", "–", f"{real['emd']:.1f}", f"{real['frechet']:.{digits}f}", f"{100 * real['good']:.0f}"])
    return ["", "law of z", "EMD", "Fréchet", "good (%)"], rows


def verdicts(record: dict) -> list[list[str]]:
    """Which claims of the paper hold for which training runs: claim, data, the numbers, in how many of the runs."""
    lines = []
    for data in MAIN:
        runs = {f: {r["seed"]: r for r in _runs(record, data, f)} for f in FAMILIES}
        common = sorted(set.intersection(*(set(r) for r in runs.values())))

        def held(test, runs=runs, common=common) -> str:
            return f"{sum(test({f: runs[f][k] for f in FAMILIES}) for k in common)} of {len(common)}"

        def said(value, digits: int, runs=runs) -> str:
            return ", ".join(f"{TITLES[f]} {spread([value(r) for r in runs[f].values()], digits)}" for f in FAMILIES)

        def emd_of(row: dict) -> float:
            return row["laws"]["prior"]["emd"]

        lines += [
            ["the VAE has the lowest EMD", DATA[data], said(emd_of, 1),
             held(lambda r: emd_of(r["vae"]) < min(emd_of(r["ae"]), emd_of(r["wgan"])))],
            ["AE and VAE are alike in A1 (within 10 %)", DATA[data], said(lambda r: r["nrmse"], 3),
             held(lambda r: abs(r["ae"]["nrmse"] / r["vae"]["nrmse"] - 1) < 0.1)],
            ["the GAN is worst in A1", DATA[data], said(lambda r: r["nrmse"], 3),
             held(lambda r: r["wgan"]["nrmse"] > max(r["ae"]["nrmse"], r["vae"]["nrmse"]))],
            ["encodings of the VAE match the prior (energy test)", DATA[data], said(lambda r: r["energy"], 2),
             held(lambda r: r["vae"]["energy"] < r["vae"]["critical"])],
        ]  # fmt: skip
    return lines


def laws_story(record: dict) -> str:
    parts = []
    for data in MAIN:
        words = []
        for family in FAMILIES:
            runs = _runs(record, data, family)
            if runs:
                each = [spread([r["laws"][law]["emd"] for r in runs], 1) for law in LAWS]
                words.append(f"{TITLES[family]} {' / '.join(each)}")
        parts.append(f"{DATA[data]}, EMD under {' / '.join(LAW_NAMES[law] for law in LAWS)}: {'; '.join(words)}; "
                     f"real images {_real(record, data)['emd']:.1f}")  # fmt: skip
    counts = {f"{DATA[d]} {TITLES[f]}": len(_runs(record, d, f)) for d in MAIN for f in FAMILIES}
    return f"{'. '.join(parts)}. Training runs: {', '.join(f'{k} {v}' for k, v in counts.items())}."


def laws_figure(record: dict):
    from .figures import laws

    return laws(record["rows"], LAW_NAMES, alt=f"Samples under four laws of z. {laws_story(record)}")


EXPERIMENTS = {
    "laws": Experiment(
        "laws", "A3 under four laws of z, and A1 to B2 for each training run of the main generators", laws_tasks,
        laws_row, SETTINGS, figure=laws_figure, story=laws_story,
    ),
}  # fmt: skip
