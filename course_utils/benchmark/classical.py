"""Classical methods beside other libraries in one run: milliseconds an image at equal objective, alone and in a batch.

The objective is ours, ||A x - y||^2 + lam R(x), also where it judges the answer of another library.  Each library gets
more exact until its objective, on the images that are judged, is within ``WITHIN`` of the best that is known, which is
found in double precision; where it does not get there, its most exact attempt stands with what it reached.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from importlib import metadata

import torch
from torch import Tensor

from ..data.load import load
from ..operators import GaussianBlur, Identity, LinearOperator, ParallelBeam, measure
from ..reconstructors import CGLS, MLEM, FilteredBackProjection, Landweber
from ..regularisers import TGV, TV, Regulariser, Tikhonov, Wavelets
from ..solvers import reconstruct
from .rivals import COMPARED, PACKAGES, STEPPED, Attempt, judged_by_cvxpy
from .timing import best_of, seeded

__all__ = ["classical"]

WITHIN = 1e-4
#: Up to this excess a time stands beside ours, with the excess; beyond, the library minimises something else.
COMPARABLE = 1e-3
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
STEPS = 30
#: These take one image at a time.
ONE_BY_ONE = ("scikit-image", "ODL", "CVXPY")
#: Seconds; a batch that would take longer is timed with the judged images only.
PATIENCE = 60
#: Problem -> weight of each method, near those that the validation images ask for.
WEIGHTS = {
    "denoising": {"TV": 0.2, "TGV": 0.2, "wavelet": 0.2, "Tikhonov": 0.2},
    "deblurring": {"TV": 0.01, "TGV": 0.01, "wavelet": 0.01, "Tikhonov": 0.01},
    "tomography": {"TV": 0.05, "TGV": 0.05, "wavelet": 0.05, "Tikhonov": 0.25},
}
METHODS: dict[str, Callable[[float], Regulariser]] = {
    "TV": TV, "TGV": TGV, "wavelet": lambda lam: Wavelets(lam, "haar", levels=2), "Tikhonov": Tikhonov,
}  # fmt: skip
#: Of deblurring and tomography.
SIGMA = {"denoising": 0.1, "deblurring": 0.05, "tomography": 0.1}


def classical(log, digits: int = 128, shapes: int = 32, judged: int = 4, repeats: int = 3) -> dict:
    """Rows: task, library, version, what it was set to, milliseconds alone and in a batch, excess of the objective.

    "times_alone" and "times_batch" say how many times as long as ours a library takes.  Rows of the methods that are
    stopped after so many steps have the relative "difference" of the images to ours instead of an objective.
    """
    run = _Run(log, judged, repeats)
    test = {name: load(name).test for name in ("mnist", "shapes")}
    problems = {
        "denoising": (Identity(28), test["mnist"][:digits]),
        "deblurring": (GaussianBlur(28), test["mnist"][:digits]),
        "tomography": (ParallelBeam.full(56), test["shapes"][:shapes]),
    }
    for problem, (A, x) in problems.items():
        y = measure(A, x, SIGMA[problem], seeded(1))
        for method, lam in WEIGHTS[problem].items():
            run.compare(f"{method} {problem}", A, y, METHODS[method](lam), lam, judge=problem != "tomography")
    counts = torch.poisson(20 * A(x.clamp_min(0)) / A(x).mean(), generator=seeded(2))
    odd = torch.nn.functional.pad(x, (0, 1, 0, 1))  # the geometry that scikit-image takes for granted
    wide = ParallelBeam(odd.shape[-1], A.shape_out[0], A.shape_out[1], detector_width=float(A.shape_out[1]))
    stepped = {
        "Landweber": (A, y, Landweber(STEPS)), "CGLS": (A, y, CGLS(STEPS)), "MLEM": (A, counts, MLEM(STEPS)),
        "filtered back-projection": (wide, wide(odd), FilteredBackProjection("ramp")),
    }  # fmt: skip
    for name, task in stepped.items():
        run.step(name, *task)
    for library in run.absent:
        log(f"{library}: not installed")
    settings = {
        "digits": digits, "shapes": shapes, "judged": judged, "within": WITHIN, "steps": STEPS, "weights": WEIGHTS,
        "sigma": SIGMA, "wavelet": "haar, 2 levels", "not_installed": run.absent, "seeds": {"noise": 1, "counts": 2},
    }  # fmt: skip
    return {"settings": settings, "rows": run.rows, "summary": {"not_equal": run.unequal}}


class _Run:
    """Collects rows, names of what is not installed, and what does not reach the objective."""

    def __init__(self, log, judged: int, repeats: int) -> None:
        self.log, self.judged, self.repeats = log, judged, repeats
        self.rows: list[dict] = []
        self.absent: list[str] = []
        self.unequal: list[str] = []

    def compare(self, task: str, A: LinearOperator, y: Tensor, R: Regulariser, lam: float, judge: bool) -> None:
        """Ours, then each rival, on one minimisation."""
        few = y[: self.judged].double()
        exact = copy.deepcopy(A).double()
        best = reconstruct(exact, few, R, **_exact(R)).objective

        def excess(x: Tensor) -> float:
            x = x.double()
            value = (exact(x) - few[: len(x)]).flatten(1).pow(2).sum(1) + lam * R(x)
            return float((value / best[: len(x)] - 1).mean())

        def ours(data: Tensor) -> Iterable[Attempt]:
            for tol in TOLERANCES:
                yield f"tol {tol:g}", lambda tol=tol: reconstruct(A, data, R, **_tolerance(R, tol)).x

        if judge and task.startswith("TV "):
            # first, because what it finds is nearer to the minimum than what any first-order method does
            try:
                seconds, found = best_of(1, judged_by_cvxpy(A, y, lam))
                self._add(task, "CVXPY", "CLARABEL", seconds, None, excess=excess(found))
            except ImportError:
                self._missing("CVXPY")
        base = self._climb(task, "ours", ours, y, excess, None)
        for library, rival in COMPARED.get(task, {}).items():
            try:
                self._climb(task, library, lambda data, rival=rival: rival(A, data, lam), y, excess, base)
            except ImportError:
                self._missing(library)

    def _climb(self, task: str, library: str, attempts, y: Tensor, excess, base: dict | None) -> dict:
        """The first attempt that is near enough, timed for one image and for the batch."""
        reached, few = [], y[: self.judged]
        for setting, call in attempts(few):
            seconds, x = best_of(1, call)
            reached.append((excess(x), setting, seconds / len(few)))
            if reached[-1][0] <= WITHIN:
                break
        value, setting, guess = reached[-1] if reached[-1][0] <= WITHIN else min(reached)
        if value > WITHIN:
            self.unequal.append(f"{task}: {library}")
        alone, whole, repeats = dict(attempts(y[:1]))[setting], None, self.repeats if guess < 1 else 1
        if library not in ONE_BY_ONE:
            batch = y if guess * len(y) <= PATIENCE else few
            call = dict(attempts(batch))[setting]
            if repeats > 1:
                call()  # what is made once, such as a decomposition, is not timed
            whole = best_of(repeats, call)[0], len(batch)
        base = base if value <= COMPARABLE else None  # no ratio of times to what is another minimum
        return self._add(task, library, setting, best_of(repeats, alone)[0], whole, base, excess=value)

    def step(self, task: str, A: LinearOperator, y: Tensor, method) -> None:
        """Ours, then each rival, for methods that are stopped after ``STEPS`` steps."""
        few = y[: self.judged]
        found = reconstruct(A, few, method).x
        alone = best_of(self.repeats, lambda: reconstruct(A, y[:1], method))[0]
        whole = best_of(self.repeats, lambda: reconstruct(A, y, method))[0], len(y)
        base = self._add(task, "ours", f"{STEPS} steps", alone, whole)
        for library, rival in STEPPED[task].items():
            try:
                theirs = rival(A, few, STEPS)()
                seconds = best_of(self.repeats, rival(A, y[:1], STEPS))[0]
            except ImportError:
                self._missing(library)
                continue
            gap = float((theirs - found).norm() / found.norm())
            self._add(task, library, f"{STEPS} steps", seconds, None, base, difference=gap)

    def _add(
        self, task: str, library: str, setting: str, alone: float, whole: tuple[float, int] | None,
        base: dict | None = None, **more: float,
    ) -> dict:  # fmt: skip
        """``whole``: seconds and images of a batch; a library without takes one image at a time, as long as alone."""
        seconds, batch = whole or (alone, 1)
        row = {
            "task": task, "library": library, "setting": setting,
            "version": metadata.version(PACKAGES[library]) if library in PACKAGES else "",
            "ms_alone": round(1e3 * alone, 3), "ms_batch": round(1e3 * seconds / batch, 4), "batch": batch,
        } | {name: float(f"{value:.3g}") for name, value in more.items()}  # fmt: skip
        if base:
            row |= {f"times_{k}": round(row[f"ms_{k}"] / max(base[f"ms_{k}"], 1e-4), 1) for k in ("alone", "batch")}
        self.rows.append(row)
        said = ", ".join([f"{batch} at once", *(f"{name} {value:.2g}" for name, value in more.items())])
        self.log(f"{task}, {library} ({setting}): {row['ms_alone']:.2f} ms alone, {row['ms_batch']:.3f} with {said}")
        return row

    def _missing(self, library: str) -> None:
        if library not in self.absent:
            self.absent.append(library)


def _exact(R: Regulariser) -> dict:
    """Settings of the solver that finds the best known objective."""
    return {} if isinstance(R, Tikhonov) else {"tol": 1e-10, "max_iter": 20_000}


def _tolerance(R: Regulariser, tol: float) -> dict:
    return {} if isinstance(R, Tikhonov) else {"tol": tol, "max_iter": 20_000}
