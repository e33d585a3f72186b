"""The classical methods on the shared problems: the first rows of the table that all chapters share."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...figures.methods import PROBLEMS
from ...reconstructors import (
    CGLS,
    MLEM,
    OSEM,
    FilteredBackProjection,
    Landweber,
    LinearisedBregman,
    ZeroFilled,
)
from ...regularisers import H1, TGV, TV, Regulariser, Tikhonov, Wavelets
from ...reproduce.methods import ITERATIONS, Method, method_row, rows
from ...reproduce.problems import SETTINGS, shared_problem
from ...reproduce.setting import mean

__all__ = ["EXPERIMENTS", "METHODS", "methods_job"]

GAUSSIAN = ("deblurring", "tomography", "ct", "mri")
RAYS = ("tomography", "ct", "pet")
#: Where the search for lambda begins; with counts the data term is larger.
FIRST = {"deblurring": 0.06, "tomography": 0.06, "ct": 0.03, "mri": 0.03, "pet": 4.0}
POSITIVE = (0.0, math.inf)
#: Reconstructions that are kept as examples.
PICTURED = ("fbp", "zero-filled", "tv+", "tgv+", "landweber+", "mlem")


def by_lambda(label: str, make: Callable[..., Regulariser], problems=GAUSSIAN, **more) -> Method:
    """A variational method with one weight."""
    start = {name: {"lam": FIRST[name]} for name in problems}
    return Method(label, "variational", lambda problem, lam: make(lam), start, **more)


def stopped(label: str, make: Callable, problems=(*GAUSSIAN, "pet"), linear: bool = True) -> Method:
    """An iterative method, of which the number of iterations is all that is chosen."""
    return Method(label, "iterative", lambda problem: make(problem), {name: {} for name in problems}, linear=linear)


BETA = {"beta": (0.25, 8.0)}


def bent(problems) -> dict[str, dict[str, float]]:
    """Where the search for TGV's two weights begins."""
    return {name: {"lam": FIRST[name], "beta": 2.0} for name in problems}


VARIATIONAL = {
    "tikhonov": ("Tikhonov", Tikhonov),
    "h1": ("H1", H1),
    "tv": ("TV", TV),
    "tv-anisotropic": ("TV, anisotropic", lambda lam, bounds=None: TV(lam, bounds, isotropic=False)),
    "wavelets-haar": ("wavelets (Haar)", lambda lam, bounds=None: Wavelets(lam, "haar", bounds=bounds)),
    "wavelets-db4": ("wavelets (db4)", lambda lam, bounds=None: Wavelets(lam, "db4", bounds=bounds)),
}


def positive(make: Callable[..., Regulariser]) -> Callable[..., Regulariser]:
    """The same with x >= 0."""
    return lambda lam: make(lam, bounds=POSITIVE)


METHODS = {
    "zero-filled": Method("zero-filled", "formula", lambda problem: ZeroFilled(), {"mri": {}}),
    "fbp-ram-lak": Method(
        "FBP, Ram-Lak", "formula", lambda problem: FilteredBackProjection(), {name: {} for name in RAYS}, linear=True
    ),
    "fbp-shepp-logan": Method(
        "FBP, Shepp-Logan", "formula", lambda problem: FilteredBackProjection("shepp-logan"),
        {name: {} for name in RAYS}, linear=True,
    ),
    "fbp": Method(
        "FBP, Hann", "formula", lambda problem, cutoff: FilteredBackProjection("hann", cutoff),
        {name: {"cutoff": 0.4} for name in RAYS}, limits={"cutoff": (0.02, 1.0)}, linear=True,
    ),
    **{name: by_lambda(label, make) for name, (label, make) in VARIATIONAL.items()},
    **{
        f"{name}+": by_lambda(f"{label}, x ≥ 0", positive(make), (*GAUSSIAN, "pet"))
        for name, (label, make) in VARIATIONAL.items()
    },
    "tgv": Method("TGV", "variational", lambda problem, lam, beta: TGV(lam, beta), bent(GAUSSIAN), limits=BETA),
    "tgv+": Method(
        "TGV, x ≥ 0", "variational", lambda problem, lam, beta: TGV(lam, beta, POSITIVE), bent((*GAUSSIAN, "pet")),
        limits=BETA,
    ),
    "tv+squared": Method(
        "TV, x ≥ 0, squared error", "variational", lambda problem, lam: TV(lam, bounds=POSITIVE),
        {"pet": {"lam": 64.0}}, linear=True,
    ),
    "landweber": stopped("Landweber", lambda problem: Landweber(ITERATIONS)),
    "landweber+": stopped("Landweber, x ≥ 0", lambda problem: Landweber(ITERATIONS, bounds=POSITIVE)),
    "nesterov": stopped("Landweber, Nesterov", lambda problem: Landweber(ITERATIONS, accelerated=True)),
    "cgls": stopped("CGLS", lambda problem: CGLS(ITERATIONS)),
    "bregman": Method(
        "linearised Bregman (Haar)", "iterative",
        lambda problem, lam: LinearisedBregman(Wavelets(lam, "haar"), ITERATIONS),
        {name: {"lam": 1.0} for name in (*GAUSSIAN, "pet")}, linear=True,
    ),
    "mlem": stopped("MLEM", lambda problem: MLEM(ITERATIONS, background=problem.background), ("pet",), linear=False),
    "osem": stopped(
        "OSEM, 6 subsets", lambda problem: OSEM(ITERATIONS, background=problem.background), ("pet",), linear=False
    ),
}  # fmt: skip


def methods_job(problem: str, method: str) -> dict:
    """A classical method on one of the shared problems."""
    return method_row(shared_problem(problem), METHODS[method], example=method in PICTURED)


def methods_figure(record: dict):
    """PSNR of every method on every problem."""
    from ...figures.methods import methods_figure as draw

    return draw(record)


def examples_figure(record: dict):
    """One test image of each problem by a few classical methods."""
    from .figures import examples_figure as draw

    return draw(record)


def methods_story(record: dict) -> str:
    """Who is best on each problem, among the classical methods and among all; and what has to be said of the runs."""
    said = []
    for problem in SETTINGS:
        here = [r for r in record["rows"] if r["problem"] == problem]
        classical = [r for r in here if r["training"] == "none"]
        best, of_all = (max(rows, key=lambda r: mean(r["psnr"])) for rows in (classical, here))
        words = f"{PROBLEMS[problem]}: {best['label']} {mean(best['psnr']):.1f} dB"
        if of_all is not best:
            words += f", with training {of_all['label']} {mean(of_all['psnr']):.1f} dB"
        said.append(words)
    open_ = [f"{r['label']} ({PROBLEMS[r['problem']]})" for r in record["rows"] if r["converged"] < 1]
    unfinished = f" Not all runs converged: {', '.join(open_)}." if open_ else " All runs converged."
    tries = sorted(r["tried"] for r in record["rows"] if r["tried"] > 1)
    return f"Best: {'; '.join(said)}. Tuned by {tries[0]} to {tries[-1]} tries each.{unfinished}"


EXPERIMENTS = {
    "methods": rows(
        METHODS, methods_job, joins=False, figure=methods_figure, more_figures={"examples": examples_figure},
        story=methods_story,
    )
}  # fmt: skip
