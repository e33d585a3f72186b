"""Lines of k-space chosen by learning, against low frequencies and random patterns, on slices of another head."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...bilevel import Bilevel, Learned, LineSampling, learn_lbfgsb, solve_lower
from ...data.load import load
from ...metrics import psnr
from ...reproduce.experiment import Experiment
from ...reproduce.setting import rounded, seeded
from .sampling_story import sampling_figure, sampling_story

__all__ = ["EXPERIMENTS", "k_space", "sampling_row", "slices"]

SIZE, SIGMA, NU, XI = 64, 0.02, 1e-2, 1e-3
N_TRAIN, N_TEST = 4, 12
#: The smoothed TV while the weights are learned; afterwards every pattern gets the best of these.
ALPHA, ALPHAS = 3e-2, (6.25e-5, 2.5e-4, 1e-3, 4e-3, 1.6e-2)
#: Prices of a line, the first weight of all, evaluations, accuracies, and from which weight on a line is measured.
PRICES, FIRST, EVALUATIONS, TOL, CG_TOL, MEASURED = (3.0, 8.0), 0.5, 25, 1e-3, 1e-2, 0.05
#: Random patterns: this many pairs at the centre, the others with probability (1 + k)^-power; so many draws of each.
CENTRE, POWERS, DRAWS = 3, (1.0, 2.0, 3.0), 4

SETTINGS = {
    "data": "brain, slices of 128 x 128 averaged to 64 x 64, another head for testing", "sigma": SIGMA, "nu": NU,
    "xi": XI, "n_train": N_TRAIN, "n_test": N_TEST, "alpha": ALPHA, "alphas": list(ALPHAS), "prices": list(PRICES),
    "first_weight": FIRST, "evaluations": EVALUATIONS, "tol": TOL, "cg_tol": CG_TOL, "measured_from": MEASURED,
    "centre": CENTRE, "powers": list(POWERS), "draws": DRAWS, "psnr_data_range": 1,
}  # fmt: skip


def slices(split: str, n: int, shift: int = 0) -> Tensor:
    """n slices at even distances, (n, 1, SIZE, SIZE) in float64; ``shift`` takes their neighbours."""
    images = getattr(load("brain"), split)
    step = len(images) // n
    return avg_pool2d(images[shift::step][:n].double(), images.shape[-1] // SIZE)


def k_space(x: Tensor, generator: torch.Generator) -> Tensor:
    """The unitary transform with noise of standard deviation SIGMA in each part."""
    noise = torch.randn(*x.shape, 2, generator=generator, dtype=x.dtype)
    return torch.fft.fft2(x, norm="ortho") + SIGMA * torch.view_as_complex(noise)


def reconstructed(y: Tensor, c: Tensor, alpha: float) -> Tensor:
    found = solve_lower(LineSampling(y, alpha, NU, XI), c, TOL, "lbfgs", max_iter=5_000)
    if not bool(found.reached.all()):
        raise ValueError("'c' gives a lower level that 5000 iterations do not solve")
    return found.x


def best_alpha(x: Tensor, y: Tensor, c: Tensor) -> tuple[float, float]:
    """Of ALPHAS the one with the least squared error on these slices, and that error."""
    errors = {alpha: float((reconstructed(y, c, alpha) - x).square().sum()) for alpha in ALPHAS}
    least = min(errors, key=errors.get)
    return least, errors[least]


def pattern(pairs: list[int]) -> Tensor:
    c = torch.zeros(SIZE // 2 + 1, dtype=torch.float64)
    c[pairs] = 1.0
    return c


def learned_weights(x: Tensor, y: Tensor, price: float, evaluations: int) -> Learned:
    """Weights of all pairs of lines by L-BFGS-B; a line of weight c costs price * c (2 - c).

    This is concave, so that many small weights are dearer than a few large ones.
    """
    lower = LineSampling(y, ALPHA, NU, XI)
    problem = Bilevel(lower, x, lambda c: price * (lower.lines * c * (2 - c)).sum())
    first = torch.full((lower.parameters,), FIRST, dtype=x.dtype)
    P = lower.parameters
    return learn_lbfgsb(problem, first, [0.0] * P, [1.0] * P, TOL, CG_TOL, evaluations, 1e-3, "lbfgs")


def random_pairs(n: int, power: float, generator: torch.Generator) -> list[int]:
    """n pairs: those at the centre, and others that are drawn without replacement, rather low ones than high ones."""
    k = torch.arange(CENTRE, SIZE // 2, dtype=torch.float64)
    drawn = torch.multinomial((1 + k) ** -power, n - CENTRE, generator=generator)
    return [*range(CENTRE), *sorted((CENTRE + drawn).tolist())]


def sampling_tasks() -> list[dict]:
    return [{"price": price, "seed": seed} for price in PRICES for seed in (0, 1)]


def sampling_row(
    price: float, seed: int, evaluations: int = EVALUATIONS, n_train: int = N_TRAIN, n_test: int = N_TEST
) -> dict:
    """A learned pattern and its rivals with as many lines, each with its own alpha, on slices of another head.

    Every pattern is binary: "learned" measures the pairs of lines whose learned weight is large enough.
    """
    generator = seeded(seed)
    x, x_test = slices("train", n_train, 8 * seed), slices("test", n_test)
    y, y_test = k_space(x, generator), k_space(x_test, generator)
    learned = learned_weights(x, y, price, evaluations)
    pairs = (learned.theta >= MEASURED).nonzero()[:, 0].tolist()
    lower = LineSampling(y, ALPHA, NU, XI)
    n, patterns = len(pairs), {"learned": pairs, "low frequencies": list(range(len(pairs)))}
    patterns |= {
        f"random, power {power:g}, draw {k}": random_pairs(n, power, generator)
        for power in POWERS
        for k in range(DRAWS)
    }
    found = {}
    for name, chosen in patterns.items():
        c = pattern(chosen)
        alpha, error = best_alpha(x, y, c)
        found[name] = {
            "pairs": chosen, "lines": int((lower.lines * c).sum()), "alpha": alpha, "training_error": round(error, 4),
            "psnr": rounded(psnr(reconstructed(y_test, c, alpha), x_test), 3),
        }  # fmt: skip
    return {
        "c": rounded(learned.theta, 4),
        "converged": learned.converged,
        "message": learned.message,
        "seen": [round(entry["value"], 3) for entry in learned.history],
        "lower_iterations": learned.lower_iterations,
        "cg_iterations": learned.cg_iterations,
        "patterns": found,
    }


EXPERIMENTS = {
    "bilevel-sampling": Experiment(
        name="bilevel-sampling",
        title="Lines of k-space chosen by learning, against low frequencies and random patterns",
        tasks=sampling_tasks,
        run=sampling_row,
        settings=SETTINGS,
        figure=sampling_figure,
        story=sampling_story,
    )
}
