"""Right and typical wrong answers to the exercises on denoisers."""

import numpy as np
import torch


def step(x, y, A, D, tau):
    return D(x - 2 * tau * A.T @ (A @ x - y))


def step_by_autograd(x, y, A, D, tau):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((A @ x - y).square().sum(), x)
    return D(x.detach() - tau * slope)


def red(x, W):
    return x - (W + W.T) @ x / 2


def red_by_autograd(x, W):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(x @ (x - W @ x) / 2, x)[0]


def implicit(J, K, g):
    return K.T @ torch.linalg.inv(torch.eye(len(J), dtype=J.dtype) - J).T @ g


def by_iteration(J, K, g):
    w = g
    for _ in range(200):
        w = g + J.T @ w
    return K.T @ w


RIGHT = {
    "pnp_step": [step, step_by_autograd, lambda *v: step(*v).numpy(), lambda *v: step(*v).tolist()],
    "red_gradient": [red, red_by_autograd, lambda *v: np.asarray(red(*v)), lambda *v: red(*v).float()],
    "fixed_point_gradient": [implicit, by_iteration, lambda *v: implicit(*v).numpy(), lambda *v: implicit(*v).tolist()],
}
WRONG = {
    "pnp_step": [
        (lambda x, y, A, D, tau: D(x - tau * A.T @ (A @ x - y)), "factor 2"),
        (lambda x, y, A, D, tau: D(x + 2 * tau * A.T @ (A @ x - y)), "uphill"),
        (lambda x, y, A, D, tau: D(x) - 2 * tau * A.T @ (A @ x - y), "comes last"),
        (lambda x, y, A, D, tau: D(x) - 2 * tau * A.T @ (A @ D(x) - y), "other order"),
        (lambda x, y, A, D, tau: x - 2 * tau * A.T @ (A @ x - y), "no part"),
        (lambda x, y, A, D, tau: D(x), "not used"),
    ],
    "red_gradient": [
        (lambda x, W: x - W @ x, "what RED uses"),
        (lambda x, W: (x - W.T @ x) / 2, "second factor"),
        (lambda x, W: (x - W @ x) / 2, "first factor"),
        (lambda x, W: x - W.T @ x, "not 2 W^T x"),
        (lambda x, W: 2 * x - (W + W.T) @ x, "1/2 is missing"),
    ],
    "fixed_point_gradient": [
        (lambda J, K, g: K.T @ g, "single step"),
        (lambda J, K, g: K.T @ torch.linalg.solve(torch.eye(len(J), dtype=J.dtype) - J, g), "transpose"),
        (lambda J, K, g: K.T @ (g + J.T @ g), "two steps"),
        (lambda J, K, g: K.T @ (g - J.T @ g), "inverted"),
        (lambda J, K, g: torch.linalg.solve(torch.eye(len(J), dtype=J.dtype) - J.T, g), "before it goes"),
    ],
}
