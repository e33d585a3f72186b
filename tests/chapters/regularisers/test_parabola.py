"""The counterexample of chapter 05 is solved exactly, and jumps where the chapter says."""

import numpy as np
import pytest
import torch

from course_utils.chapters.regularisers import parabola


@pytest.mark.parametrize("method", ["hard", "relaxed", "sparse"])
@pytest.mark.parametrize(("y1", "lam", "mu"), [(0.0, 1.0, 0.1), (0.2, 0.5, 0.3), (-0.1, 3.0, 2.0), (0.3, 20.0, 1.0)])
def test_parabola_against_brute_force(method, y1, lam, mu):
    """A fine grid over z and over x (or u) finds no lower objective, and the same point."""
    solved = parabola.solve_parabola(method, y1, lam, mu)
    ticks = torch.linspace(-2.5, 2.5, 501, dtype=torch.float64)
    y = torch.tensor([y1, 4.0], dtype=torch.float64)

    def value(z, x):
        g = torch.stack([z, z**2], dim=-1)
        if method == "hard":
            return (g - y).pow(2).sum(-1) + lam * z**2
        deviation = (x - g).pow(2).sum(-1) if method == "relaxed" else (x - g).abs().sum(-1)
        return (x - y).pow(2).sum(-1) + lam * (deviation + mu * z**2)

    z, x = torch.from_numpy(solved.z), torch.from_numpy(solved.x)
    found = value(z, x)
    assert float(found.max() - found.min()) < 1e-8 and len(z) == (2 if y1 == 0 and lam < 7 else 1)
    if method != "hard":
        near = x[:, None] + torch.cartesian_prod(ticks, ticks)[None, ::7] * 0.2
        assert float(value(z[:, None], near).min()) >= float(found.min()) - 1e-9
    best = torch.from_numpy(parabola._image(method, ticks.numpy(), y1, lam))  # the best x of every z of a grid
    assert float(value(ticks, best).min()) >= float(found.min()) - 1e-9
    random = 3 * torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1.5
    anywhere = value(2 * random[:, 0], y + random[:, 1:])
    assert float(anywhere.min()) >= float(found.min()) - 1e-9


def test_parabola_jumps_unless_the_weight_is_large():
    for method in ("hard", "relaxed", "sparse"):
        left, right = (parabola.solve_parabola(method, y1, 0.5, 0.01).x[0] for y1 in (-1e-3, 1e-3))
        assert np.abs(right - left).max() > 0.5, method
        left, right = (parabola.solve_parabola(method, y1, 100.0, 100.0).x[0] for y1 in (-1e-3, 1e-3))
        assert np.abs(right - left).max() < 0.01, method
    # relaxed has one minimiser if and only if (1 + lambda) mu >= 7
    counts = [len(parabola.solve_parabola("relaxed", 0.0, 1.0, mu).z) for mu in (3.4, 3.6)]
    assert counts == [2, 1]
