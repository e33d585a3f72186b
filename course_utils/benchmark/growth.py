"""How cost grows: with the side of the image, with the latent dimension, with the number of views."""

from __future__ import annotations

import time

import torch

from ..data.load import load
from ..operators import GaussianMatrix, ParallelBeam, measure
from ..regularisers import Hard
from ..solvers import Dictionary, reconstruct
from ..training.zoo import available, pretrained
from .timing import best_of, gradient_cost, seeded

__all__ = ["growth"]

SIDES, BATCH = (28, 56, 128), 128
LATENT = {"mnist": (5, 8, 13), "shapes": (5, 10, 16)}


def growth(log) -> dict:
    """Rows of two kinds: "operator" by side, "generator" by data set and latent dimension."""
    rows = []
    for side in SIDES:
        started = time.perf_counter()
        A = ParallelBeam.full(side)
        build = time.perf_counter() - started
        x = torch.rand(BATCH, 1, side, side, generator=seeded(0))
        y = A(x)
        forward, adjoint = best_of(5, lambda: A(x))[0], best_of(5, lambda: A.T(y))[0]  # noqa: B023
        rows.append({
            "kind": "operator", "side": side, "views": A.shape_out[0], "bins": A.shape_out[1],
            "nonzeros": int(len(A.matrix_values)), "build_seconds": round(build, 2),
            "forward_ms": round(1e3 * forward / BATCH, 4), "adjoint_ms": round(1e3 * adjoint / BATCH, 4),
        })  # fmt: skip
        log(f"operator {side:4d} x {side}: forward {rows[-1]['forward_ms']:.3f} ms, adjoint "
            f"{rows[-1]['adjoint_ms']:.3f} ms, built in {build:.1f} s")  # fmt: skip
    for data, dimensions in LATENT.items():
        x = load(data).test[:BATCH]
        A = GaussianMatrix(150, 28, seeded(0)) if data == "mnist" else ParallelBeam.full(56)
        y = measure(A, x, 0.05, seeded(1))
        for d in dimensions:
            name = f"vae-{data}-{d}"
            if name not in available():
                continue
            G = pretrained(name, verbose=False)
            starts = Dictionary(G, seeded(3))
            seconds, result = best_of(2, lambda: reconstruct(A, y, Hard(G, 0.002), start=starts))  # noqa: B023
            rows.append({
                "kind": "generator", "data": data, "d": d, "hard_ms": round(1e3 * seconds / BATCH, 2),
                "mean_iterations": round(float(result.iterations.double().mean()), 1), **gradient_cost(G),
            })  # fmt: skip
            log(f"{name}: gradient {rows[-1]['value_and_gradient_ms']:.3f} ms "
                f"({rows[-1]['ratio_to_floor']:.2f} x the floor), hard {rows[-1]['hard_ms']:.2f} ms")  # fmt: skip
    return {"settings": {"batch": BATCH, "sides": SIDES, "latent": LATENT, "lam": 0.002}, "rows": rows, "summary": {}}
