"""What the table of Fig. 10 owes to the training of its generators: to luck, and to the rho of the VAE."""

from __future__ import annotations

from ...data.load import load
from ...figures.labels import TITLES
from ...metrics import psnr
from ...properties import range_errors
from ...regularisers import Hard
from ...reproduce.experiment import Experiment
from ...reproduce.setting import mean, rounded, start_dictionary
from ...solvers import reconstruct
from ...training.zoo import available, pretrained, shipped_seeds
from .experiments import LOW_NOISE, SETTINGS, first_grid, scan_problem, shapes_row
from .searching import grown_grid
from .story import SHAPES_GENERATORS

__all__ = ["EXPERIMENTS", "over_rho", "over_runs", "rho_words", "runs_words"]

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


#: VAEs of Shapes that were trained alike but for rho.
SCANNED = "vae-shapes-10-rho-"


def rho_tasks() -> list[dict]:
    """Best fits, and *hard* on both scans, for every rho that is shipped."""
    rhos = sorted(float(name.removeprefix(SCANNED)) for name in available() if name.startswith(SCANNED))
    return [{"rho": rho, "geometry": "none", "sigma": 0.0} for rho in rhos] + [
        {"rho": rho, "geometry": geometry, "sigma": sigma} for rho in rhos for geometry, sigma in SCANS
    ]


def rho_row(
    rho: float,
    geometry: str,
    sigma: float,
    n_val: int = SETTINGS["n_val"],
    n_test: int = SETTINGS["n_test"],
) -> dict:
    """*Hard* with its weight tuned anew, or ("none") the best fits of the test images themselves."""
    G, images = pretrained(f"{SCANNED}{rho:g}", verbose=False), load("shapes")
    if geometry == "none":
        return {"psnr": rounded(range_errors(G, images.test[:n_test]).psnr)}
    problem = scan_problem(geometry, "shapes", sigma, n_val, n_test)
    starts = start_dictionary(G, images.train)

    def make(lam):
        return Hard(G, lam)

    grid = first_grid("hard", sigma, narrow=True)
    chosen = grown_grid(problem.A, (problem.x_val, problem.y_val), make, **grid, start=starts)
    result = reconstruct(problem.A, problem.y, make(chosen["lam"]), start=starts)
    converged = round(float(result.converged.float().mean()), 2)
    return chosen | {"psnr": rounded(psnr(result.x, problem.x)), "converged": converged}


def over_rho(record: dict) -> dict[tuple[str, float], dict[float, float]]:
    """(views, noise) -> rho -> mean PSNR; "none" are the best fits."""
    found: dict = {}
    for row in sorted(record["rows"], key=lambda row: row["rho"]):
        found.setdefault((row["geometry"], row["sigma"]), {})[row["rho"]] = mean(row["psnr"])
    return found


def _scan(geometry: str, sigma: float) -> str:
    return "best fit of the image" if geometry == "none" else f"hard, {geometry}, σ = {sigma:g}"


def rho_words(record: dict) -> str:
    """Mean PSNR by rho, for the best fits and both scans."""
    lines = (
        f"{_scan(*scan)}: {', '.join(f'{value:.2f} (ρ = {rho:g})' for rho, value in values.items())}"
        for scan, values in over_rho(record).items()
    )
    return f"Mean PSNR (dB) with VAEs that were trained alike but for ρ: {'; '.join(lines)}."


def rho_figure(record: dict):
    """PSNR against rho."""
    from .figures import rho_figure as draw

    return draw({_scan(*scan): values for scan, values in over_rho(record).items()})


EXPERIMENTS = {
    "shapes-rho": Experiment(
        name="shapes-rho",
        title="Tomography of Shapes: hard with VAEs that were trained alike but for rho",
        tasks=rho_tasks,
        run=rho_row,
        settings=SETTINGS | {"scans": [list(scan) for scan in SCANS]},
        figure=rho_figure,
        story=rho_words,
    ),
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
