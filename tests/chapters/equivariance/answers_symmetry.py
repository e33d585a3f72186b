"""Right and typical wrong answers to the exercises on symmetry."""

import numpy as np
import torch


def turn(y):
    half = y.shape[1] // 2
    return torch.cat([y[:, half:].flip(-1), y[:, :half]], 1)


def turn_view_by_view(y):
    n, out = y.shape[1], torch.empty_like(y)
    for k in range(n):
        from_view = k - n // 2
        out[:, k] = y[:, from_view] if from_view >= 0 else y[:, from_view + n].flip(-1)
    return out


def turn_doubled(y):
    """The views over a full turn are periodic."""
    half = y.shape[1] // 2
    return torch.cat([y, y.flip(-1)], 1).roll(half, 1)[:, : y.shape[1]]


def average(phi, x):
    return torch.stack([torch.rot90(phi(torch.rot90(x, k)), -k) for k in range(4)]).mean(0)


def average_clockwise(phi, x):
    return sum(torch.rot90(phi(torch.rot90(x, -k)), k) for k in range(4)) / 4


def average_twice(phi, x):
    """The half turn, and then the quarter turn of that."""

    def half(v):
        return (phi(v) + torch.rot90(phi(torch.rot90(v, 2)), 2)) / 2

    return (half(x) + torch.rot90(half(torch.rot90(x, 1)), -1)) / 2


def moved(u, t, R, p):
    return u((torch.linalg.inv(R) @ (p - t).T).T)


RIGHT = {
    "turned_data": [turn, turn_view_by_view, turn_doubled, lambda y: turn(y).numpy(), lambda y: turn(y).float()],
    "averaged": [
        average,
        average_clockwise,
        average_twice,
        lambda phi, x: average(phi, x).numpy(),
        lambda phi, x: average(phi, x).tolist(),
    ],
    "moved_function": [
        moved,
        lambda u, t, R, p: u((p - t) @ R),
        lambda u, t, R, p: u(p @ R - R.T @ t),
        lambda *v: np.asarray(moved(*v)),
        lambda *v: moved(*v).float(),
    ],
}
WRONG = {
    "turned_data": [
        (lambda y: y.roll(y.shape[1] // 2, 1), "other side"),
        (lambda y: turn(turn(turn(y))), "clockwise"),
        (lambda y: y.roll(y.shape[1] // 2, 1).flip(-1), "beyond pi"),
        (lambda y: turn(turn(y)), "half turn"),
        (lambda y: torch.cat([y[:, -1:], y[:, :-1]], 1), "single view"),
        (lambda y: y.flip(1), "reverses it"),
        (lambda y: torch.rot90(y, 1, (1, 2)), "not an image"),
        (lambda y: y, "nothing has changed"),
    ],
    "averaged": [
        (lambda phi, x: sum(phi(torch.rot90(x, k)) for k in range(4)) / 4, "turned back"),
        (lambda phi, x: sum(torch.rot90(phi(torch.rot90(x, k)), k) for k in range(4)) / 4, "turned on"),
        (lambda phi, x: sum(torch.rot90(phi(x), k) for k in range(4)) / 4, "upright"),
        (lambda phi, x: 4 * average(phi, x), "divided"),
        (lambda phi, x: phi(sum(torch.rot90(x, k) for k in range(4)) / 4), "not linear"),
        (lambda phi, x: (phi(x) + torch.rot90(phi(torch.rot90(x, 2)), -2)) / 2, "half turn"),
        (lambda phi, x: (average(phi, x) + average(phi, x.flip(0)).flip(0)) / 2, "mirrorings"),
        (lambda phi, x: phi(x), "nothing is averaged"),
    ],
    "moved_function": [
        (lambda u, t, R, p: u((R @ p.T).T + t), "came from"),
        (lambda u, t, R, p: u((R @ (p - t).T).T), "inverse of R"),
        (lambda u, t, R, p: u((R.T @ p.T).T - t), "undone first"),
        (lambda u, t, R, p: u((p + t) @ R), "sign of the shift"),
        (lambda u, t, R, p: u(p - t), "turn is missing"),
        (lambda u, t, R, p: u(p @ R), "shift is missing"),
        (lambda u, t, R, p: u(p), "nothing has moved"),
    ],
}
