"""Lambda and mu of the relaxed and of the sparse regulariser learned from digits: values, gradients, and a grid."""

from __future__ import annotations

import copy

import numpy as np
import scipy.optimize
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...bilevel import Evaluation, dynamic_dfo, local_hypergradient, local_minimum
from ...data.load import load
from ...generators import Generator
from ...metrics import psnr
from ...operators import GaussianBlur, LinearOperator, measure
from ...regularisers import Relaxed, Sparse
from ...regularisers.objective import sum_of_squares
from ...regularisers.relaxed import ReducedObjective
from ...reproduce.experiment import Experiment
from ...reproduce.setting import FIRST_TEST, generator_and_starts, rounded, seeded
from ...solvers import Result, reconstruct
from .weights_story import weights_figure, weights_story

__all__ = ["EXPERIMENTS", "START", "RelaxedWeights", "digits", "reconstructed", "weights_row"]

FAMILY, SIGMA, N_TRAIN, N_TEST = "vae", 0.1, 8, 40
#: theta = (log10 lambda, log10 mu): the first one, and between which two the searches stay.
START, LOW, HIGH = (0.0, -1.0), (-3.0, -4.0), (2.0, 1.0)
GRID = {"log10 lambda": [-1.0, -0.5, 0.0, 0.5, 1.0], "log10 mu": [-2.0, -1.0, 0.0]}
EVALUATIONS = 15
#: The training digits begin at these validation images, and the seed of their noise.
SETS = {0: (0, 50)}
NOISE_TEST = 3
#: Of the Newton steps that make minima exact in float64, and of the difference quotients.
TOL, STEP = 1e-9, 1e-4
#: b of the activations without kinks; Newton steps that are tried with the kinks.
SHARPNESS, KINKED_STEPS = 20.0, 12
MAKE = {"relaxed": Relaxed, "sparse": Sparse}

SETTINGS = {
    "generator": FAMILY, "operator": "5 x 5 Gaussian blur", "sigma": SIGMA, "n_train": N_TRAIN, "n_test": N_TEST,
    "start": list(START), "low": list(LOW), "high": list(HIGH), "grid": GRID, "evaluations": EVALUATIONS,
    "first_training_image_and_seed": {str(k): list(v) for k, v in SETS.items()}, "newton_tol": TOL,
    "difference_step": STEP, "sharpness": SHARPNESS, "newton_steps_with_kinks": KINKED_STEPS, "psnr_data_range": 1,
}  # fmt: skip


def digits(split: str, n: int, first: int, seed: int) -> tuple[LinearOperator, Tensor, Tensor]:
    """The blur, digits and their data."""
    A, x = GaussianBlur(28), getattr(load("mnist"), split)[first : first + n]
    return A, x, measure(A, x, SIGMA, seeded(seed))


def reconstructed(method: str, A: LinearOperator, y: Tensor, theta) -> Result:
    """The reconstructions with theta = (log10 lambda, log10 mu), each from the shared starts."""
    G, starts = generator_and_starts(FAMILY)
    settings = {"max_iter": 500} if method == "sparse" else {}
    return reconstruct(A, y, MAKE[method](G, *(10.0 ** float(t) for t in theta)), start=starts, **settings)


class Softened(torch.nn.Module):
    """A leaky ReLU without its kink, s t + (1 - s) log(1 + exp(b t)) / b: for t far from 0 the same function."""

    def __init__(self, slope: float, sharpness: float) -> None:
        super().__init__()
        self.slope, self.sharpness = slope, sharpness

    def forward(self, t: Tensor) -> Tensor:
        return self.slope * t + (1 - self.slope) * softplus(t, beta=self.sharpness)


def softened(G: Generator, sharpness: float = SHARPNESS) -> Generator:
    """A copy of G with the same weights in which every leaky ReLU has lost its kink."""
    smooth = copy.deepcopy(G)
    for parent in list(smooth.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.LeakyReLU):
                setattr(parent, name, Softened(child.negative_slope, sharpness))
    return smooth


class RelaxedWeights:
    """Relaxed in float64 as a function of z and theta, x eliminated, and the squared error of its image.

    Parameters
    ----------
    A : LinearOperator
    x, y : tensors
        Truth and data.
    smooth : bool
        With the generator without kinks.
    """

    def __init__(self, A: LinearOperator, x: Tensor, y: Tensor, smooth: bool = True) -> None:
        G = generator_and_starts(FAMILY)[0]
        self.G = (softened(G) if smooth else copy.deepcopy(G)).double()
        self.A, self.x, self.y = copy.deepcopy(A).double(), x.double(), y.double()

    def objective(self, theta: Tensor) -> ReducedObjective:
        lam, mu = (10.0**theta).unbind(1)
        return ReducedObjective(self.A, self.y, self.G, lam, lam * mu)

    def value(self, z: Tensor, theta: Tensor) -> Tensor:
        return self.objective(theta)._value(z)

    def loss(self, z: Tensor, theta: Tensor) -> Tensor:
        return sum_of_squares(self.objective(theta).image(z) - self.x)


def by_gradient(A: LinearOperator, x: Tensor, y: Tensor, evaluations: int) -> tuple[list[float], dict]:
    """L-BFGS-B with implicit gradients along the branch of minima that begins at the shared starts, without kinks.

    At its end: the hypotheses of the gradient with both generators, and difference quotients along the branch.
    """
    problem, rows = RelaxedWeights(A, x, y), []
    first = reconstructed("relaxed", A, y, START).z.double()

    def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
        at = problem.x.new_tensor(theta)
        found = local_minimum(problem.value, rows[-1][2].v if rows else first, at, TOL)
        implicit = local_hypergradient(problem.value, problem.loss, found.v, at)
        rows.append((list(theta), implicit, found))
        return float(implicit.loss.sum()), implicit.gradient.sum(0).numpy()

    scipy.optimize.minimize(
        function, np.array(START), jac=True, method="L-BFGS-B", bounds=list(zip(LOW, HIGH, strict=True)),
        options={"maxfun": evaluations, "ftol": 1e-5},
    )  # fmt: skip
    theta, implicit, found = min(rows, key=lambda row: float(row[1].loss.sum()))
    at, quotient = problem.x.new_tensor(theta), []
    for k in range(2):
        h = STEP * torch.eye(2, dtype=at.dtype)[k]
        ends = [(local_minimum(problem.value, found.v, at + s, TOL).v, at + s) for s in (h, -h)]
        above, below = (problem.loss(v, to.expand(len(v), -1)) for v, to in ends)
        quotient.append((above - below).detach() / (2 * STEP))
    apart = (torch.stack(quotient, 1) - implicit.gradient).norm(dim=1) / implicit.gradient.norm(dim=1)
    kinked = local_minimum(RelaxedWeights(A, x, y, smooth=False).value, found.v, at, TOL, KINKED_STEPS)
    return [float(t) for t in theta], {
        "path": [[*(round(float(t), 4) for t in at), round(float(g.loss.sum()), 4)] for at, g, _ in rows],
        "least_curvatures": [float(f"{float(g.curvature.min()):.3g}") for _, g, _ in rows],
        "unreached": [int((~f.reached).sum()) for _, _, f in rows],
        "slopes": [float(f"{s:.2g}") for s in found.slope.tolist()],
        "slopes_with_kinks": [float(f"{s:.2g}") for s in kinked.slope.tolist()],
        "curvatures": [float(f"{c:.3g}") for c in implicit.curvature.tolist()],
        "quotient_apart": [float(f"{a:.2g}") for a in apart.tolist()],
    }


def by_values(method: str, A: LinearOperator, x: Tensor, y: Tensor, evaluations: int) -> tuple[list[float], dict]:
    """Trust-region search from the lengths of the errors; the reconstructions are taken for exact."""

    def residuals(theta: Tensor, delta: float) -> Evaluation:
        result = reconstructed(method, A, y, theta.tolist())
        r = (result.x - x).flatten(1).norm(dim=1).double().numpy()
        return Evaluation(r, np.zeros(len(r)), int(result.iterations.sum()))

    start = torch.tensor(START, dtype=torch.float64)
    found = dynamic_dfo(residuals, start, LOW, HIGH, accuracy=0.0, radius=0.5, radius_end=0.02, max_evals=evaluations)
    path = [[*(round(t, 4) for t in entry["theta"]), round(entry["value"], 4)] for entry in found.history]
    return found.theta.tolist(), {"path": path}


def by_grid(method: str, A: LinearOperator, x: Tensor, y: Tensor) -> tuple[list[float], dict]:
    """Every pair of the grid, and the one of least f."""
    path = []
    for log_lam in GRID["log10 lambda"]:
        for log_mu in GRID["log10 mu"]:
            found = reconstructed(method, A, y, (log_lam, log_mu))
            path.append([log_lam, log_mu, round(float(sum_of_squares(found.x - x).sum()), 4)])
    return min(path, key=lambda row: row[2])[:2], {"path": path}


def weights_tasks() -> list[dict]:
    ways = {"relaxed": ("grid", "values", "gradient"), "sparse": ("grid", "values")}
    return [{"method": m, "by": by, "training": k} for m in MAKE for k in SETS for by in ways[m]]


def weights_row(
    method: str, by: str, training: int, n_train: int = N_TRAIN, n_test: int = N_TEST, evaluations: int = EVALUATIONS
) -> dict:
    """Weights learned from one set of training digits, and what they give on the test digits."""
    first, seed = SETS[training]
    A, x, y = digits("val", n_train, first, seed)
    if by == "grid":
        theta, more = by_grid(method, A, x, y)
    elif by == "values":
        theta, more = by_values(method, A, x, y, evaluations)
    else:
        theta, more = by_gradient(A, x, y, evaluations)
    A, x_test, y_test = digits("test", n_test, FIRST_TEST, NOISE_TEST)
    result = reconstructed(method, A, y_test, theta)
    return {
        "theta": [round(t, 4) for t in theta],
        "evaluations": len(more["path"]),
        "f": min(row[2] for row in more["path"]),
        "psnr": rounded(psnr(result.x, x_test), 3),
        "converged": round(float(result.converged.float().mean()), 3),
        **more,
    }


EXPERIMENTS = {
    "bilevel-weights": Experiment(
        name="bilevel-weights",
        title="Lambda and mu of relaxed and sparse, learned from digits and from a grid",
        tasks=weights_tasks,
        run=weights_row,
        settings=SETTINGS,
        figure=weights_figure,
        story=weights_story,
    )
}
