"""A generator whose weights follow the data: first the best z, then z and the weights together."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from .._check import check_count, check_nonnegative
from ..regularisers.hard import HardObjective
from ..regularisers.objective import sum_of_squares
from ..regularisers.registry import solves
from .descent import lbfgs
from .pool import MAX_ITER

__all__ = ["adapt"]


@solves(HardObjective, "adapted", rank=4, general="A")
def adapt(
    objective: HardObjective,
    z0: Tensor,
    max_iter: int = 100,
    lr: float = 1e-3,
    trace: bool = False,
    **settings,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """||A G_w(z) - y||^2 + lam ||z||^2: by L-BFGS in z, then ``max_iter`` steps of Adam in z and the weights w.

    Every problem changes a copy of the weights of its own, so they are solved one after the other.  With many steps
    G_w fits the noise: the number of steps is the regularisation, to be chosen on validation images.

    Parameters
    ----------
    objective : HardObjective
    z0 : (B, d) tensor
    max_iter : int
        Steps with changing weights; 0 leaves the hard solution.
    lr : float
        Step size of Adam.
    trace : bool
    **settings
        For L-BFGS in z.

    Returns
    -------
    results, traces
        As ``gradient_descent``, with "z" and "x" = G_w(z) in place of "v"; "status" is always "budget".

    Source
    ------
    Narnhofer, Hammernik, Knoll, Pock, SPIE Wavelets and Sparsity XVIII (2019).
    """
    check_count("max_iter", max_iter, minimum=0)
    check_nonnegative("lr", lr)
    first, _ = lbfgs(objective, z0, **settings)
    problems = [
        _adapt_one(objective.select(slice(b, b + 1)), z, max_iter, lr) for b, z in enumerate(first["v"].split(1))
    ]
    f, z, x = (torch.cat([problem[name] for problem in problems]) for name in ("f", "z", "x"))
    found = {
        "f": f, "z": z, "x": x, "status": torch.full_like(first["status"], MAX_ITER),
        "iterations": first["iterations"] + max_iter, "values": first["values"],
        "gradients": first["gradients"] + max_iter + 1,
    }  # fmt: skip
    if not trace:
        return found, {}
    return found, {name: torch.stack([problem[f"{name} path"] for problem in problems], 1) for name in ("f", "z")}


def _adapt_one(objective: HardObjective, z: Tensor, steps: int, lr: float) -> dict[str, Tensor]:
    G = copy.deepcopy(objective.G).requires_grad_(True)
    z = z.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([z, *G.parameters()], lr=lr)
    values, latents = [], []
    with torch.enable_grad():
        for k in range(steps + 1):
            x = G(z)
            f = sum_of_squares(objective.A(x) - objective.y) + objective.lam * sum_of_squares(z)
            values.append(f.detach()[0])
            latents.append(z.detach()[0].clone())
            if k < steps:
                optimiser.zero_grad(set_to_none=True)
                f.sum().backward()
                optimiser.step()
    return {
        "f": f.detach(), "z": z.detach(), "x": x.detach(),
        "f path": torch.stack(values), "z path": torch.stack(latents),
    }  # fmt: skip
