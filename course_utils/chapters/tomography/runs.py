"""What the table of Fig. 10 owes to the luck of a training run: its generators, trained again with other seeds."""

from __future__ import annotations

from ...figures.labels import TITLES
from ...reproduce.experiment import Experiment
from ...reproduce.setting import mean
from ...training.zoo import available, shipped_seeds
from .experiments import LOW_NOISE, SETTINGS, shapes_row
from .story import SHAPES_GENERATORS

__all__ = ["EXPERIMENTS", "over_runs", "runs_words"]

#: The problem of the table, and the one at which TV is ahead: views, noise.
SCANS = (("125 views", 0.1), ("30 views", LOW_NOISE))


def runs_tasks() -> list[dict]:
    """*Hard* for every training run that is shipped, the one of the table among them."""
    return [
        {"generator": family, "seed": seed, "geometry": geometry, "sigma": sigma}
        for family, name in SHAPES_GENERATORS.items()
        if name in available()
        for seed in shipped_seeds(name)
        for geometry, sigma in SCANS
    ]


def runs_row(
    generator: str,
    seed: int,
    geometry: str,
    sigma: float,
    n_val: int = SETTINGS["n_val"],
    n_test: int = SETTINGS["n_test"],
) -> dict:
    """*Hard* with the generator of one training run, its weight tuned anew."""
    return shapes_row(
        generator, "hard", geometry, sigma=sigma, narrow=True, by_paper=False, seed=seed, n_val=n_val, n_test=n_test
    )


def over_runs(record: dict) -> dict[tuple[str, str, float], list[float]]:
    """(generator, views, noise) -> mean PSNR of each training run, that of the table first."""
    found: dict = {}
    for row in sorted(record["rows"], key=lambda row: row["seed"]):
        found.setdefault((row["generator"], row["geometry"], row["sigma"]), []).append(mean(row["psnr"]))
    return found


def spread(found: dict[tuple[str, str, float], list[float]]) -> float | None:
    """How far the training runs of one generator are apart at most, in dB; None if each was trained once."""
    several = [max(values) - min(values) for values in found.values() if len(values) > 1]
    return max(several) if several else None


def runs_words(record: dict) -> str:
    """How far the training runs of one generator are apart, and what follows for differences between generators."""
    found = over_runs(record)
    words = "; ".join(
        f"{TITLES[family]} hard, {geometry}, σ = {sigma:g}: {' / '.join(f'{v:.2f}' for v in values)}"
        for (family, geometry, sigma), values in found.items()
    )
    apart = spread(found)
    if apart is None:
        return (
            f"Mean PSNR (dB) of each training run: {words}. One run of each: no spread known, so a small difference "
            f"between two generators may be luck."
        )
    return (
        f"Mean PSNR (dB) of each training run: {words}. The runs of one generator are at most {apart:.2f} dB apart; a "
        f"smaller difference between two generators is none."
    )


def runs_figure(record: dict):
    """One dot for each training run."""
    from .figures import runs_figure as draw

    return draw(over_runs(record))


EXPERIMENTS = {
    "shapes-runs": Experiment(
        name="shapes-runs",
        title="Tomography of Shapes: hard with every training run of the generators",
        tasks=runs_tasks,
        run=runs_row,
        settings=SETTINGS | {"scans": [list(scan) for scan in SCANS]},
        figure=runs_figure,
        story=runs_words,
    ),
}
