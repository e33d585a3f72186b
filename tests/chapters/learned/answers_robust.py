"""Right and typical wrong answers to the exercises on stability."""

import numpy as np
import torch


def by_power_iteration(B, budget):
    e = torch.ones(B.shape[1], dtype=B.dtype)
    for _ in range(200):
        e = B.T @ (B @ e)
        e = e / e.norm()
    return budget * e


def by_eigenvectors(B, budget):
    return -budget * torch.linalg.eigh(B.T @ B)[1][:, -1]


def by_pairs(A, x, eps):
    found = [0.0]
    for i in range(len(x)):
        for j in range(i):
            found.append(float(((x[i] - x[j]).norm() - 2 * eps) / (A @ (x[i] - x[j])).norm()))
    return max(found)


def at_once(A, x, eps):
    i, j = torch.triu_indices(len(x), len(x), 1)
    d = x[i] - x[j]
    return torch.relu((d.norm(dim=1) - 2 * eps) / (d @ A.T).norm(dim=1)).max()


RIGHT = {
    "worst": [
        by_power_iteration,
        by_eigenvectors,
        lambda B, budget: (-by_power_iteration(B, budget)).tolist(),
        lambda B, budget: by_eigenvectors(B, budget).float().numpy(),
    ],
    "forced": [by_pairs, at_once, lambda *v: np.asarray(at_once(*v)), lambda *v: at_once(*v).float().reshape(1)],
}
WRONG = {
    "worst": [
        (lambda B, budget: by_power_iteration(B, 1.0), "not 1"),
        (lambda B, budget: by_power_iteration(B, budget**2), "not its square"),
        (lambda B, budget: by_power_iteration(B, budget) / (B @ by_power_iteration(B, 1.0)).norm(), "not that of its"),
        (lambda B, budget: budget * torch.linalg.svd(B, full_matrices=False)[2][-1], "least dangerous"),
        (lambda B, budget: by_power_iteration(B, 1.0).sign() * budget / B.shape[1] ** 0.5, "largest entry"),
        (lambda B, budget: by_power_iteration(B.T, budget), "from the other side"),
        (lambda B, budget: budget * B.sum(0) / B.sum(0).norm(), "differs"),
    ],
    "forced": [
        (lambda A, x, eps: by_pairs(A, x, eps / 2), "twice"),
        (lambda A, x, eps: by_pairs(A, x, 0.0), "eps is missing"),
        (lambda A, x, eps: max(by_pairs(A, x[k : k + 2], eps) for k in range(len(x) - 1)), "all pairs"),
        (lambda A, x, eps: min(by_pairs(A, x[[i, j]], eps) for i in range(len(x)) for j in range(i)), "largest"),
        (
            lambda A, x, eps: max(
                ((x[i] - x[j]).norm() - 2 * eps) / (A @ (x[i] - x[j])).norm() for i in range(len(x)) for j in range(i)
            ),
            "0 is a bound",
        ),
        (lambda A, x, eps: torch.relu((x.norm(dim=1) - 2 * eps) / (x @ A.T).norm(dim=1)).max(), "not the images"),
    ],
}
