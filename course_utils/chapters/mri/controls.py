"""Controls of chapter 08: one Gaussian without z, the weight where z is known, the training head as test head."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from ...data.load import load
from ...figures.style import COLOURS, subplots
from ...generators import StructuredVAE
from ...metrics import psnr
from ...operators import LinearOperator, MaskedFourier, measure, radial_mask
from ...regularisers import LearnedCovariance
from ...reproduce.experiment import Experiment
from ...reproduce.setting import SEEDS, mean, rounded, seeded
from ...solvers import Result, reconstruct
from .brain_tomography import GRIDS as TOMOGRAPHY
from .brain_tomography import SOLVERS
from .brain_tomography import operator as tomography
from .brains import (
    GENERATIVE,
    TEST_STEP,
    VAE,
    VAL_STEP,
    at_end,
    brain_generator,
    first_z,
    generator_name,
    heads,
    shipped,
    walk,
)
from .experiments import FEW, GRIDS, IN_TURN, LOW, NOISE, SIGMA, SPOKES, Problem

__all__ = ["EXPERIMENTS", "best_factor", "best_x", "in_the_head", "without_z", "worth_of_z"]

#: The weights of the control, as multiples of 2 sigma^2.
FACTORS = (1 / 9, 1 / 3, 1.0, 3.0)
#: Every so many-th slice of a head; of the training head the horizontal planes, which come first.
HEADS = {"train": slice(0, 48, 6), "val": slice(None, None, VAL_STEP), "test": slice(None, None, TEST_STEP)}
NAMES = {"train": "training head", "val": "validation head", "test": "test head"}
LINES = {
    "train": {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
    "val": {"color": COLOURS["orange"], "linestyle": "--", "marker": "s"},
    "test": {"color": COLOURS["vermilion"], "linestyle": ":", "marker": "^"},
}
PLACES = ((5, SIGMA), (FEW, SIGMA), (125, SIGMA))
#: The noise level of Fig. 12 at which more iterations are tried, and the weights tuned there, by sigma^2.
LONGER, TUNED = 0.003, {"relaxed": 512.0, "sparse": 64.0}
SOLVED = 1e-3  # relative gradient at which the x of a given z counts as found


def in_the_head(x: Tensor) -> Tensor:
    """Which pixels lie in the head or within two pixels of it, rather than in the air: (B, 1, H, W) bools.

    Example
    -------
    >>> x = torch.zeros(1, 1, 9, 9)
    >>> x[..., 4, 4] = 0.5
    >>> int(in_the_head(x).sum())
    25
    """
    return functional.max_pool2d((x > 0.1).to(x), kernel_size=5, stride=1, padding=2) > 0


def best_x(A: LinearOperator, y: Tensor, G: StructuredVAE, z: Tensor, lam: float) -> Result:
    """The x of least objective for given z: the start of the alternation, before its first round."""
    return reconstruct(A, y, LearnedCovariance(G, lam), solver="alternating", start=z, max_iter=0)


def without_z(A: LinearOperator, y: Tensor, G: StructuredVAE, lam: float) -> Result:
    """The x of least objective for z = 0: one Gaussian N(G(0), Sigma(0)) as prior of every image."""
    return best_x(A, y, G, torch.zeros(len(y), G.latent_dim).to(y), lam)


@torch.no_grad()
def solved(A: LinearOperator, y: Tensor, G: StructuredVAE, z: Tensor, lam: float, x: Tensor) -> float:
    """For which part of the images the gradient in x vanishes, relative to its two terms."""
    data = A.T(A(x) - y)
    prior = lam / 2 * G.covariance(z).precision(x - G(z))
    size = [part.flatten(1).norm(dim=1) for part in (data + prior, data)]
    return round(float((size[0] <= SOLVED * size[1]).double().mean()), 2)


def gaussian_row(spokes: int, sigma: float) -> dict:
    """One Gaussian in place of z, its weight tuned as that of the learned covariance, at one setting of its record."""
    problem = Problem(spokes, sigma, VAL_STEP, TEST_STEP)
    G, _ = brain_generator(generator_name("covariance"))
    theory = 2 * sigma**2

    def score(factor: float) -> float:
        return float(psnr(without_z(problem.A, problem.y_val, G, factor * theory).x, problem.x_val).mean())

    scores = walk(score, 1.0, 3.0, GRIDS["structured"]["most"])
    best = max(scores, key=scores.get)
    x, plain = (without_z(problem.A, problem.y, G, f * theory).x for f in (best, 1.0))
    z = torch.zeros(len(x), G.latent_dim)
    return {
        "factor": round(best, 4), "at_edge_of_grid": ["lam"] if at_end(scores) else [],
        "psnr": rounded(psnr(x, problem.x), 2), "theory": rounded(psnr(plain, problem.x), 2),
        "converged": solved(problem.A, problem.y, G, z, best * theory, x),
    }  # fmt: skip


def head_problem(head: str, spokes: int, sigma: float) -> tuple[Tensor, MaskedFourier, Tensor]:
    """Slices of a head, the operator, their data."""
    x = getattr(load("brain"), head)[HEADS[head]]
    A = MaskedFourier(radial_mask(x.shape[-1], spokes))
    return x, A, measure(A, x, sigma, seeded(SEEDS["noise_test"]))


def weight_row(head: str, spokes: int, sigma: float) -> dict:
    """How sure the model is of a head, in it and in the air, and the best weight when z = E(x) is given."""
    x, A, y = head_problem(head, spokes, sigma)
    G, _ = brain_generator(generator_name("covariance"))
    with torch.no_grad():
        z = G.encode(x)
        white = G.covariance(z).whiten(x - G(z)).square()
    inside = in_the_head(x)
    found = [mean(psnr(best_x(A, y, G, z, factor * 2 * sigma**2).x, x).tolist()) for factor in FACTORS]
    parts = {"everywhere": white, "inside": white[inside], "air": white[~inside]}
    return {"psnr_by_factor": rounded(found, 2)} | {k: round(float(v.mean()), 3) for k, v in parts.items()}


def home_row(family: str, spokes: int, sigma: float) -> dict:
    """Identity or covariance on the head that trained it, with the weight of the theory."""
    x, A, y = head_problem("train", spokes, sigma)
    G, _ = brain_generator(generator_name(family))
    start = first_z(A, y, generator_name(family))
    result = reconstruct(A, y, LearnedCovariance(G, 2 * sigma**2), start=start, **IN_TURN)
    return {"psnr": rounded(psnr(result.x, x), 2), "converged": round(float(result.converged.float().mean()), 2)}


def longer_row(method: str, sigma: float, factor: float) -> dict:
    """A method of Fig. 12 on the test slices with the budget of its record, and with four times as much."""
    _, x = heads(VAL_STEP, TEST_STEP)
    A = tomography(x.shape[-1])
    y = measure(A, x, sigma, seeded(SEEDS["noise_test"]))
    G, _ = brain_generator(VAE)
    (mu,) = TOMOGRAPHY[method]["mu"]
    R, budget = GENERATIVE[method](G, factor * sigma**2, mu), SOLVERS[method]
    start, row = first_z(A, y, VAE), {}
    for name, times in (("once", 1), ("longer", 4)):
        result = reconstruct(A, y, R, start=start, **budget | {"max_iter": times * budget["max_iter"]})
        row |= {
            f"psnr_{name}": rounded(psnr(result.x, x), 2),
            f"objective_{name}": round(float(result.objective.mean()), 5),
            f"converged_{name}": round(float(result.converged.double().mean()), 2),
        }
    return row


JOBS = {"longer": longer_row, "gaussian": gaussian_row, "weight": weight_row, "home": home_row}


def controls_job(kind: str, **task) -> dict:
    """One of the controls at one setting."""
    return JOBS[kind](**task)


def controls_tasks() -> list[dict]:
    """Every setting of the record ``covariance`` for the Gaussian, a few for the other controls."""
    if not shipped(generator_name("covariance")):
        return []
    settings = [(s, level) for level in (SIGMA, LOW) for s in SPOKES] + [(FEW, level) for level in NOISE]
    tasks = [{"kind": "gaussian", "spokes": s, "sigma": level} for s, level in dict.fromkeys(settings)]
    tasks += [{"kind": "weight", "head": h, "spokes": s, "sigma": level} for h in HEADS for s, level in PLACES[1:]]
    tasks += [{"kind": "longer", "method": m, "sigma": LONGER, "factor": f} for m, f in TUNED.items()]
    families = [f for f in ("identity", "covariance") if shipped(generator_name(f))]
    return tasks + [{"kind": "home", "family": f, "spokes": s, "sigma": level} for f in families for s, level in PLACES]


def best_factor(row: Mapping) -> float:
    """The weight of highest PSNR, as a multiple of 2 sigma^2, of a "weight" row."""
    return FACTORS[max(range(len(FACTORS)), key=row["psnr_by_factor"].__getitem__)]


def worth_of_z(record: Mapping, covariance: Mapping) -> dict[tuple[int, float], list[float]]:
    """(spokes, sigma) -> PSNR of the learned covariance minus that of one Gaussian, slice by slice; both tuned."""
    full = {(r["spokes"], r["sigma"]): r["psnr"] for r in covariance["rows"] if r.get("method") == "covariance"}
    return {
        (r["spokes"], r["sigma"]): [a - b for a, b in zip(full[r["spokes"], r["sigma"]], r["psnr"], strict=True)]
        for r in record["rows"]
        if r["kind"] == "gaussian" and (r["spokes"], r["sigma"]) in full
    }


def controls_figure(record: Mapping) -> Figure:
    """How the weight that is best for given z depends on the head: PSNR over the weight, for each head.

    Parameters
    ----------
    record : dict
        Stored result of ``mri-controls``.
    """
    rows = [r for r in record["rows"] if r["kind"] == "weight"]
    places = list(dict.fromkeys((r["spokes"], r["sigma"]) for r in rows))
    alt = (
        "PSNR over the weight as a multiple of 2 sigma^2, for the training, the validation and the test head: the "
        "curve of the training head is highest at 1, those of the others at a third."
    )
    figure, axes = subplots(1, len(places), size=(4.2 * len(places), 3.6), alt=alt, squeeze=False)
    for ax, (spokes, sigma) in zip(axes[0], places, strict=True):
        for r in rows:
            if (r["spokes"], r["sigma"]) == (spokes, sigma):
                label = f"{NAMES[r['head']]}: {r['inside']:.2f} in the head"
                ax.plot(record["settings"]["factors"], r["psnr_by_factor"], label=label, **LINES[r["head"]])
        ax.set_xscale("log", base=3)
        ax.set_xticks(record["settings"]["factors"], ["1/9", "1/3", "1", "3"])
        ax.minorticks_off()
        ax.set(title=f"{spokes} spokes, σ = {sigma:g}, z = E(x)", xlabel="λ / (2σ²)")
        ax.legend(fontsize=8, frameon=False, title="mean square of Lᵀr")
    axes[0, 0].set_ylabel("PSNR (dB), mean over slices")
    return figure


def controls_story(record: Mapping) -> str:
    """What each control says, in numbers."""
    words = []
    gaussian = [r for r in record["rows"] if r["kind"] == "gaussian"]
    if gaussian:
        words.append(
            "One Gaussian N(G(0), Sigma(0)) for all slices, in dB, tuned: "
            + ", ".join(f"{r['spokes']} spokes, noise {r['sigma']:g}: {mean(r['psnr']):.1f}" for r in gaussian) + "."
        )  # fmt: skip
    for r in record["rows"]:
        if r["kind"] == "weight":
            words.append(
                f"{r['head'].capitalize()} head, {r['spokes']} spokes, z = E(x) given: mean square of L^T r "
                f"{r['inside']:.2f} inside, {r['air']:.2f} in the air, best weight {best_factor(r):.2g} (2 sigma^2)."
            )
    home = {(r["family"], r["spokes"]): mean(r["psnr"]) for r in record["rows"] if r["kind"] == "home"}
    gaps = [f"{s}: {home['covariance', s] - home['identity', s]:+.2f}" for f, s in home if f == "covariance"]
    if gaps:
        words.append("On the training head, covariance minus identity in dB, by spokes: " + ", ".join(gaps) + ".")
    for r in record["rows"]:
        if r["kind"] == "longer":
            words.append(
                f"Tomography at noise {r['sigma']:g}, {r['method']}: {mean(r['psnr_once']):.2f} dB within the budget, "
                f"{mean(r['psnr_longer']):.2f} dB with four times as many iterations, when {r['converged_longer']:.0%} "
                "met the rule."
            )
    return " ".join(words)


SETTINGS = {
    "images": "brain slices of 128 x 128 pixels", "val_step": VAL_STEP, "test_step": TEST_STEP,
    "slices": {head: [part.start, part.stop, part.step] for head, part in HEADS.items()},
    "spokes": list(SPOKES), "sigma": SIGMA, "low": LOW, "noise": list(NOISE), "noise_spokes": FEW,
    "factors": list(FACTORS), "tuned": TUNED, "solvers": SOLVERS,
    "in_turn": IN_TURN, "seeds": SEEDS, "psnr_data_range": 1, "solved": SOLVED,
    "generator": generator_name("covariance"),
}  # fmt: skip

EXPERIMENTS = {
    "mri-controls": Experiment(
        name="mri-controls",
        title="MRI of brains, controls: without z, with z given, on the training head",
        tasks=controls_tasks,
        run=controls_job,
        settings=SETTINGS,
        figure=controls_figure,
        story=controls_story,
    ),
}
