"""Regularisers that were trained as critics, used as the adversarial one was proposed: descent that is stopped in time.

A critic is trained between true images and filtered back-projections, and nothing is known of it elsewhere.  Descent
from a filtered back-projection stays where it was trained, if it is short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...figures.style import COLOURS, subplots
from ...metrics import psnr
from ...operators import LinearOperator
from ...reconstructors import FilteredBackProjection, Iterative
from ...regularisers import RegulariserNetwork
from ...regularisers.objective import sum_of_squares
from ...reproduce.experiment import Experiment
from ...reproduce.methods import Method
from .experiments import SETTINGS, SIZES, row_of
from .rivals import network
from .scans import HOME, PLACES, place

__all__ = ["EXPERIMENTS", "STOPPED", "CriticDescent", "critics_figure", "critics_job", "critics_story", "stopped"]


class CriticDescent(Iterative):
    r"""Gradient descent on :math:`\|Ax-y\|^2+\lambda R(x)` from a filtered back-projection, stopped after ``max_iter``.

    .. math:: x_{k+1} = x_k - \tfrac\tau2\big(2A^\top(Ax_k-y)+\lambda\nabla R(x_k)\big)

    Parameters
    ----------
    R : RegulariserNetwork
    lam : float
    max_iter : int
    step : float in (0, 2)
        :math:`\tau` for an operator of norm 1.

    Source
    ------
    Lunz, Öktem, Schönlieb, NeurIPS 2018, where early stopping is used.
    """

    def __init__(self, R: RegulariserNetwork, lam: float, max_iter: int = 100, step: float = 0.1) -> None:
        super().__init__(max_iter)
        self.R, self.lam, self.step = R, lam, step

    def iterates(self, y: Tensor, A: LinearOperator) -> Iterator[tuple[Tensor, Tensor]]:
        x = FilteredBackProjection("hann", 0.5)(y, A)
        while True:
            residual = A(x) - y
            yield x, sum_of_squares(residual)
            with torch.no_grad():
                x = x - self.step * (A.T(residual) + self.lam / 2 * self.R.grad(x))


def _stopped(rival: str, label: str) -> Method:
    return Method(
        label, "learned", lambda problem, lam: CriticDescent(network(rival), lam), {"tomography": {"lam": 0.1}},
        training="images",
    )  # fmt: skip


#: Name -> method; each uses the network of the rival whose name it carries.
STOPPED: dict[str, Method] = {
    "adversarial": _stopped("adversarial", "adversarial, stopped"),
    "input-convex": _stopped("input-convex", "input-convex, stopped"),
}


def stopped(row: Mapping) -> CriticDescent:
    """The method of a row of the record."""
    return CriticDescent(network(row["critic"]), row["weights"]["lam"], row["iterations"])


#: The path is followed so far.
LENGTH = 60


def critics_job(critic: str, n_val: int = SIZES["n_val"], n_test: int = SIZES["n_test"], length: int = LENGTH) -> dict:
    """A critic whose weight and number of iterations were tuned at home, at every place; and its path beyond."""
    places = {name: place(name, n_val, n_test) for name in PLACES}
    at_home = places[HOME]
    row = row_of(STOPPED[critic], at_home, places, pictured=True)
    path = CriticDescent(network(critic), row["weights"]["lam"]).iterates(at_home.y, at_home.A)
    kept = [float(psnr(x, at_home.x).mean()) for _, (x, _) in zip(range(length + 1), path, strict=False)]
    return row | {"path": [round(value, 2) for value in kept]}


def critics_figure(record: Mapping) -> Figure:
    """PSNR on the way of the descent; where the tuning stopped it."""
    alt = (
        "Mean PSNR over iterations of the descent from filtered back-projection with an adversarial and with an "
        "input-convex regulariser; a mark on each curve where it was stopped."
    )
    figure, ax = subplots(size=(6.0, 3.2), alt=alt)
    for row, colour in zip(record["rows"], (COLOURS["blue"], COLOURS["vermilion"]), strict=True):
        ax.plot(row["path"], color=colour, label=row["label"].removesuffix(", stopped"))
        ax.plot(row["iterations"], row["path"][row["iterations"]], "o", color=colour)
    ax.set(xlabel="iteration", ylabel="mean PSNR (dB)")
    ax.legend()
    return figure


def critics_story(record: Mapping) -> str:
    """Where the descent was stopped, and what going on costs."""
    words = []
    for row in record["rows"]:
        stopped = float(np.mean(row["places"][HOME]["psnr"]))
        words.append(
            f"{row['label']}: {row['path'][0]:.1f} dB at the start, {stopped:.1f} dB where validation images stop it "
            f"(iteration {row['iterations']}), {row['path'][-1]:.1f} dB after {len(row['path']) - 1}"
        )
    return "; ".join(words) + "."


EXPERIMENTS = {
    "learned-critics": Experiment(
        name="learned-critics",
        title="Critics as regularisers, in a descent that is stopped in time",
        tasks=lambda: [{"critic": name} for name in STOPPED],
        run=critics_job,
        settings=SETTINGS | SIZES | {"places": PLACES},
        figure=critics_figure,
        story=critics_story,
    )
}
