"""Every regulariser with every solver on a tiny problem in float64: the answer is the stored one.

Whoever moves code must not change what it computes.  A deliberate change of an algorithm is stored anew, and explained
where it is committed: ``COURSE_RECORD=1 pytest tests/test_answers.py``.
"""

import json
import os
from pathlib import Path

import pytest
import torch
from registry import CLASSICAL, GENERATIVE, LATENT, VARIANTS, seeded, tiny, tiny_structured

from course_utils import L1, GaussianMatrix, Hard, LearnedCovariance, Magnitude, measure, reconstruct

STORED = Path(__file__).with_name("answers.json")
RECORD = os.environ.get("COURSE_RECORD", "0") not in ("", "0")
DIGITS = 8
#: Enough for every algorithm to leave its start, too few for round-off to grow into another path.
BUDGET = {"adapted": 5, "alternating": 4, "projected": 6, "linearised": 6, "warm": 12}
#: A value of these is a linear system.
BUDGET_OF = {"learned covariance, lbfgs": 5}
LAM, MU = [0.05, 0.4], [0.3, 0.1]


def cases():
    """name -> (family of the generator or None, regulariser from a generator and weights, solver)."""
    found = {}
    for name, (make, solvers) in (GENERATIVE | VARIANTS).items():
        family = "ae" if name == "encoder distance" else "vae"
        found |= {f"{name}, {solver}": (family, make, solver) for solver in solvers}
    for name, R_Z in LATENT.items():
        solver = "constrained" if name in ("box", "sphere") else "lbfgs"
        found[f"hard with {name}, {solver}"] = ("wgan", lambda G, lam, mu, R_Z=R_Z: Hard(G, lam, R_Z(G)), solver)
    found["hard, adapted"] = ("vae", lambda G, lam, mu: Hard(G, lam), "adapted")
    found["hard, magnitudes"] = ("vae", lambda G, lam, mu: Hard(G, lam), "lbfgs")
    for solver in ("lbfgs", "alternating"):
        found[f"learned covariance, {solver}"] = ("covariance", lambda G, lam, mu: LearnedCovariance(G, lam), solver)
    for name, (make, solvers) in CLASSICAL.items():
        found |= {f"{name}, {solver}": (None, lambda G, lam, mu, R=make: R(lam), solver) for solver in solvers}
    found["l1, fista"] = (None, lambda G, lam, mu: L1(lam), "fista")
    found["l1 in a box, fista"] = (None, lambda G, lam, mu: L1(lam, bounds=(0, 1)), "fista")
    return found


CASES = cases()


def rounded(values: torch.Tensor) -> list[float]:
    """To ``DIGITS`` digits of the largest."""
    size = max(float(values.abs().max()), 1e-300)
    return [float(f"{v:.{DIGITS}e}") if abs(v) > 10**-DIGITS * size else 0.0 for v in values.flatten().tolist()]


def answer(family, make, solver, name) -> dict:
    """x by its norm and what it is along random directions, the objective, and every count."""
    A = GaussianMatrix(40, 28, seeded()).double()
    G = None if family is None else tiny_structured() if family == "covariance" else tiny(family)
    truth = torch.rand(2, 1, 28, 28, generator=seeded(1), dtype=torch.float64)
    truth[:, :, 9:20, 7:15] += 1
    y = measure(A, 0.5 * truth, 0.05, seeded(2))
    if name.endswith("magnitudes"):
        A, y = Magnitude(A), y.abs()
    lam, mu = (torch.tensor(values, dtype=torch.float64) for values in (LAM, MU))
    start = {} if G is None else {"start": torch.randn(2, 2, G.latent_dim, generator=seeded(3), dtype=torch.float64)}
    budget = {} if solver == "direct" else {"max_iter": BUDGET_OF.get(name) or BUDGET.get(solver, 20)}
    result = reconstruct(A, y, make(G, lam, mu), solver=solver, **start, **budget)
    directions = torch.randn(784, 6, generator=seeded(4), dtype=torch.float64)
    found = {"x": rounded(torch.cat([result.x.flatten(1).norm(dim=1)[:, None], result.x.flatten(1) @ directions], 1))}
    found["objective"] = rounded(result.objective)
    if result.z is not None:
        found |= {"z": rounded(result.z), "u": rounded(result.u.flatten(1).norm(dim=1))}
    for count in ("iterations", "values", "gradients", "converged"):
        found[count] = getattr(result, count).tolist()
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_the_stored_one(name):
    found = answer(*CASES[name], name)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else {}
    if RECORD:
        text = json.dumps(dict(sorted((stored | {name: found}).items())), indent=0)
        STORED.write_text(text + "\n", encoding="utf-8")
        return
    expected = stored[name]
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        if key in ("iterations", "values", "gradients", "converged"):
            assert found[key] == values, key
        else:
            assert found[key] == pytest.approx(values, rel=1e-7, abs=1e-7 * max(map(abs, values))), key


def test_no_answer_is_stored_for_nothing():
    assert set(json.loads(STORED.read_text(encoding="utf-8"))) == set(CASES)
