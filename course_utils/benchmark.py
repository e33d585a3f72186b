"""How long does one reconstruction take?  Ratios from one run, on one machine, at equal or lower objective.

    python -m course_utils.benchmark        writes results/benchmark.json   (make benchmark)

Hard compressed sensing (m = 150, sigma = 0.05, lambda = 0.002) with the shipped VAE.  The yardstick is what a
first implementation does: one image at a time, Algorithm 1, eight random starts, the best by objective.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from .data import load
from .generators import Generator
from .metrics import psnr
from .operators import GaussianMatrix, LinearOperator, measure
from .provenance import machine
from .regularisers import Hard, Relaxed
from .results import save_result
from .solvers import Dictionary, reconstruct
from .zoo import pretrained

__all__ = ["benchmark", "matrix_multiply_rate", "plain_loop"]

BATCHES = (1, 16, 128, 1024)
M, SIGMA, LAM = 150, 0.05, 0.002
RELAXED = {"lam": 0.03, "mu": 0.02}
N_LOOP, LOOP_STARTS = 16, 8


def plain_loop(A: LinearOperator, y: Tensor, G: Generator, lam: float, z0: Tensor, max_iter: int = 2_000) -> tuple:
    """Algorithm 1 for ONE problem as one would first write it: the yardstick, not for use.

    Parameters
    ----------
    A, y : the operator and the data of one problem, (1, m)
    G, lam : generator and weight
    z0 : (1, d) start

    Returns
    -------
    z : (1, d), objective : float
    """

    def f(z):
        return (A(G(z)) - y).pow(2).sum() + lam * z.pow(2).sum()

    z, L = z0, 1.0
    for _ in range(max_iter):
        z = z.detach().requires_grad_()
        value = f(z)
        (grad,) = torch.autograd.grad(value, z)
        value, squared = value.item(), grad.pow(2).sum().item()
        for _ in range(60):  # the authors' limit
            trial = z.detach() - grad / L
            with torch.no_grad():
                if f(trial).item() < value - squared / (2 * L):
                    break
            L *= 10.0
        step, z, L = (trial - z).pow(2).sum().item(), trial, L * 0.5
        if step <= 1e-8 * z.pow(2).sum().item():
            break
    with torch.no_grad():
        return z.detach(), f(z).item()


def matrix_multiply_rate(size: int = 1024, repeats: int = 10) -> float:
    """Floating-point operations per second of a (size, size) matrix product, the best of ``repeats``."""
    a, best = torch.randn(size, size), float("inf")
    a @ a
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def multiplications(G: Generator) -> int:
    """Multiply-adds of one evaluation of G, counted layer by layer."""
    count, hooks = [0], []

    def add(layer, inputs, output):
        weights = layer.weight.numel()
        if isinstance(layer, torch.nn.Linear):
            count[0] += weights
        else:  # each output pixel of a convolution, each input pixel of a transposed one, meets every weight
            grid = inputs[0] if isinstance(layer, torch.nn.ConvTranspose2d) else output
            count[0] += weights * grid.shape[2] * grid.shape[3]

    for layer in G.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            hooks.append(layer.register_forward_hook(add))
    with torch.no_grad():
        G.decoder(torch.zeros(1, G.latent_dim, dtype=next(G.parameters()).dtype, device=next(G.parameters()).device))
    for hook in hooks:
        hook.remove()
    return count[0]


def _best_seconds(call: Callable, repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _gradient_cost(G: Generator, batch: int = 128) -> dict:
    """Value and gradient of ||G(z)||^2 against the time of as many operations in a matrix product."""
    z = G.sample_latent(batch, torch.Generator().manual_seed(0))

    def call():
        v = z.clone().requires_grad_()
        torch.autograd.grad(G(v).pow(2).sum(), v)

    rate = matrix_multiply_rate()
    floor = 4 * multiplications(G) / rate  # forward and backward, two operations a multiply-add
    taken = _best_seconds(call, repeats=20) / batch
    return {
        "gemm_gflops": round(rate / 1e9, 1),
        "floor_ms": round(1e3 * floor, 4),
        "value_and_gradient_ms": round(1e3 * taken, 4),
        "ratio_to_floor": round(taken / floor, 2),
    }


def benchmark(log=print) -> dict:
    """Run everything; returns the settings, the rows and the summary that ``main`` stores."""
    G = pretrained("vae-mnist-8", verbose=False)
    test = load("mnist").test

    def seeded(k):
        return torch.Generator().manual_seed(k)

    A = GaussianMatrix(M, 28, seeded(0))
    y = measure(A, test[: max(BATCHES)], SIGMA, seeded(1))
    cost = _gradient_cost(G)
    log(f"matrix product {cost['gemm_gflops']:.0f} GF/s")
    log(f"G with gradient {cost['value_and_gradient_ms']:.3f} ms an image, {cost['ratio_to_floor']:.2f} x the floor")

    z0 = G.sample_latent(N_LOOP * LOOP_STARTS, seeded(2)).reshape(N_LOOP, LOOP_STARTS, 1, -1)
    plain_loop(A, y[:1], G, LAM, z0[0, 0], max_iter=3)  # warm up
    started = time.perf_counter()
    loop = torch.tensor([[plain_loop(A, y[i : i + 1], G, LAM, z)[1] for z in z0[i]] for i in range(N_LOOP)])
    loop_ms = 1e3 * (time.perf_counter() - started) / N_LOOP
    loop_objective = float(loop.amin(1).mean())
    log(f"plain loop: {loop_ms / LOOP_STARTS:.0f} ms a start, {loop_ms:.0f} ms an image with {LOOP_STARTS} starts, "
        f"mean objective {loop_objective:.4f} (one start: {float(loop[:, 0].mean()):.4f})")  # fmt: skip

    started = time.perf_counter()
    dictionary = Dictionary(G, seeded(3))
    dictionary_ms = 1e3 * (time.perf_counter() - started)
    rows = []
    problems = (
        ("hard", Hard(G, LAM), ("lbfgs", "paper")),
        ("relaxed", Relaxed(G, **RELAXED), ("lbfgs", "reduced")),
    )
    A.svd()  # once per operator
    for method, R, solvers in problems:
        for solver in solvers:
            for B in BATCHES:
                runs = [_timed(A, y[:B], R, solver, dictionary) for _ in range(3 if B <= 128 else 1)]
                seconds, result = min(runs, key=lambda run: run[0])
                same = result if B >= N_LOOP else reconstruct(A, y[:N_LOOP], R, solver, start=dictionary)
                rows.append({
                    "method": method, "solver": solver, "batch": B,
                    "ms_per_reconstruction": round(1e3 * seconds / B, 2),
                    "mean_objective_of_loop_problems": round(float(same.objective[:N_LOOP].mean()), 5),
                    "mean_psnr": round(float(psnr(result.x, test[:B]).mean()), 2),
                    "mean_iterations": round(float(result.iterations.float().mean()), 1),
                })  # fmt: skip
                log(f"{method:7s} {solver:7s} B={B:4d}: {rows[-1]['ms_per_reconstruction']:7.2f} ms, objective on the "
                    f"loop's problems {rows[-1]['mean_objective_of_loop_problems']:.4f}")  # fmt: skip
    hard = [row for row in rows if row["method"] == "hard"]
    fair = [row for row in hard if row["mean_objective_of_loop_problems"] <= loop_objective]
    best = min(fair, key=lambda row: row["ms_per_reconstruction"]) if fair else None
    summary = {
        "loop_ms_per_start": round(loop_ms / LOOP_STARTS, 1),
        "loop_ms": round(loop_ms, 1),
        "loop_mean_objective": round(loop_objective, 5),
        "dictionary_ms_once": round(dictionary_ms, 1),
        "best": best,
        "times_less_than_loop_at_no_higher_objective": best and round(loop_ms / best["ms_per_reconstruction"], 1),
        **cost,
    }
    settings = {
        "m": M, "sigma": SIGMA, "lam": LAM, "relaxed": RELAXED, "loop_problems": N_LOOP, "loop_starts": LOOP_STARTS,
        "seeds": {"A": 0, "noise": 1, "loop": 2, "dictionary": 3},
    }  # fmt: skip
    if best:
        times = summary["times_less_than_loop_at_no_higher_objective"]
        log(f"{times:.0f} x less time than the loop, at no higher objective")
    return {"settings": settings, "rows": rows, "summary": summary}


def _timed(A, y, R, solver, dictionary, **settings):
    started = time.perf_counter()
    result = reconstruct(A, y, R, solver, start=dictionary, **settings)
    return time.perf_counter() - started, result


def main() -> None:
    print(machine())
    started = time.perf_counter()
    content = benchmark()
    settings = content.pop("settings")
    print(f"wrote {save_result('benchmark', content, settings, time.perf_counter() - started)}")


if __name__ == "__main__":
    sys.exit(main())
