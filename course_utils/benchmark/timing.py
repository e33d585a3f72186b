"""How the time is taken, and the floor below which no implementation can go."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ..generators import Generator

__all__ = ["best_of", "gradient_cost", "matrix_multiply_rate", "multiplications", "seeded"]


def seeded(seed: int) -> torch.Generator:
    """A generator of random numbers on the CPU."""
    return torch.Generator().manual_seed(seed)


def best_of(repeats: int, call: Callable) -> tuple[float, object]:
    """Seconds of the fastest of ``repeats`` calls, and what it returned."""
    best, found = float("inf"), None
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        taken = time.perf_counter() - started
        if taken < best:
            best, found = taken, result
    return best, found


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


def gradient_cost(G: Generator, batch: int = 128) -> dict:
    """Value and gradient of ||G(z)||^2 against the time of as many operations in a matrix product."""
    z = G.sample_latent(batch, torch.Generator().manual_seed(0))

    def call():
        v = z.clone().requires_grad_()
        torch.autograd.grad(G(v).pow(2).sum(), v)

    rate = matrix_multiply_rate()
    floor = 4 * multiplications(G) / rate  # forward and backward, two operations a multiply-add
    call()
    taken = best_of(20, call)[0] / batch
    return {
        "gemm_gflops": round(rate / 1e9, 1),
        "floor_ms": round(1e3 * floor, 4),
        "value_and_gradient_ms": round(1e3 * taken, 4),
        "ratio_to_floor": round(taken / floor, 2),
    }
