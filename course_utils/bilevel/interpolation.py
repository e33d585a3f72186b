"""Affine models of residuals through P + 1 points, kept good in a trust region: the inner part of ``dynamic_dfo``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from torch import Tensor

from .problem import Ledger

__all__ = ["Evaluation", "Interpolation"]

#: No accuracy beyond this is asked for: that of the published experiments, whose bound on ||x - x_hat||^2 is 1e-15.
FLOOR = 1e-15**0.5
#: The model is good while its points lie within FAR radii and no Lagrange polynomial is larger than POISED there.
FAR, POISED = 2.0 + 1e-9, 10.0


@dataclass(frozen=True)
class Evaluation:
    """Residuals at one theta: values (m,), bounds on their errors (m,), and the iterations that they cost."""

    r: np.ndarray
    delta: np.ndarray
    iterations: int


class Interpolation:
    """The interpolation set: points theta (P + 1, P), residuals r (P + 1, m), their errors, and the best point k."""

    def __init__(
        self, residuals, theta0: Tensor, low: Tensor, high: Tensor, accuracy, per_radius: float, max_evals: int
    ) -> None:
        self.residuals, self.like, self.accuracy, self.per_radius = residuals, theta0, accuracy, per_radius
        self.low, self.high = low.double().cpu().numpy(), high.double().cpu().numpy()
        self.start, self.ledger, self.max_evals, self.k = theta0.detach().double().cpu().numpy(), Ledger(), max_evals, 0

    def begin(self, radius: float) -> None:
        """A step along every axis, to the side where there is more room."""
        self.theta = np.tile(self.start, (len(self.start) + 1, 1))
        ahead, back = self.high - self.start, self.start - self.low
        for j in range(len(self.start)):
            self.theta[j + 1, j] += min(radius, ahead[j]) if ahead[j] >= min(radius, back[j]) else -min(radius, back[j])
        values = [self.evaluate(theta, self.rough(radius), i == 0) for i, theta in enumerate(self.theta)]
        self.r, self.error = (np.stack(part) for part in zip(*values, strict=True))

    @property
    def spent(self) -> bool:
        return len(self.ledger.history) >= self.max_evals

    def rough(self, radius: float) -> float:
        """The errors that the residuals of a good model may have."""
        return max(self.per_radius * radius**2, FLOOR)

    def evaluate(self, theta: np.ndarray, delta: float, accepted: bool = False) -> tuple[np.ndarray, np.ndarray]:
        fixed = self.accuracy != "dynamic"
        found = self.residuals(self.like.new_tensor(theta.tolist()), self.accuracy if fixed else max(delta, FLOOR))
        r, error = np.asarray(found.r, float), np.asarray(found.delta, float)
        if not (np.isfinite(r).all() and np.isfinite(error).all()):
            raise ValueError(f"'residuals' must be finite, got some that are not at theta = {theta[:4]}")
        error = np.zeros_like(error) if fixed else error
        self.ledger.pay(int(found.iterations))
        self.ledger.write(
            self.like.new_tensor(theta.tolist()), r @ r, wrong(r, error), accepted, delta=float(error.max())
        )
        return r, error

    def accurate_to(self, r: np.ndarray, error: np.ndarray, target: float) -> float:
        """The accuracy of the residuals with which f is within ``target``: n delta^2 + 2 delta sum |r| = target."""
        inexact = np.abs(r[error > 0])
        total = inexact.sum()
        return target / (total + math.sqrt(total**2 + max(len(inexact), 1) * target)) if target > 0 else 0.0

    def lagrange(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the P points beside k, and the gradients of their Lagrange polynomials, (P, P), by row."""
        others = np.delete(np.arange(len(self.theta)), self.k)
        return others, np.linalg.pinv(self.theta[others] - self.theta[self.k]).T

    def jacobian(self) -> np.ndarray:
        others, gradients = self.lagrange()
        return (self.r[others] - self.r[self.k]).T @ gradients

    def box(self, radius: float) -> tuple[np.ndarray, np.ndarray]:
        at = self.theta[self.k]
        return np.maximum(self.low - at, -radius), np.minimum(self.high - at, radius)

    def step(self, radius: float) -> tuple[np.ndarray, float, float]:
        """The step, what the model promises of it, and the norm of the model's projected gradient."""
        J, r = self.jacobian(), self.r[self.k]
        lower, upper = self.box(radius)
        tiny = 1e-8 * max(np.linalg.norm(J), 1e-300)  # of all minimisers the shortest
        wide = upper - lower > 0
        s = np.zeros_like(lower)
        s[wide] = scipy.optimize.lsq_linear(
            np.vstack([J, tiny * np.eye(len(s))])[:, wide], -np.concatenate([r, np.zeros(len(s))]),
            bounds=(lower[wide], upper[wide]), method="bvls",
        ).x  # fmt: skip
        s = np.clip(s, lower, upper)
        g, at = 2 * J.T @ r, self.theta[self.k]
        projected = np.clip(at - g, self.low, self.high) - at
        m = r + J @ s
        return s, float(r @ r - m @ m), float(np.linalg.norm(projected))

    def faults(self, radius: float) -> tuple[int | None, int | None]:
        """A point at a bad place, and a point whose values are too rough; None where there is none."""
        others, gradients = self.lagrange()
        distance = np.abs(self.theta[others] - self.theta[self.k]).max(1)
        size = radius * np.abs(gradients).sum(1)  # the largest value of each polynomial in the box
        bad = np.where(distance > FAR * radius, np.inf, np.where(size > POISED, size, 0.0))
        rough = self.error.max(1) > self.rough(radius) * (1 + 1e-9)
        place = int(others[bad.argmax()]) if bad.max() > 0 else None
        return place, int(rough.argmax()) if rough.any() and self.accuracy == "dynamic" else None

    def fully_linear(self, radius: float) -> bool:
        return self.faults(radius) == (None, None)

    def repair(self, radius: float) -> None:
        """Move and refine points until the model is good in the trust region."""
        for _ in range(4 * len(self.theta)):
            place, rough = self.faults(radius)
            if (place, rough) == (None, None) or self.spent:
                return
            if place is None:
                if not self.refine(rough, self.rough(radius)):  # the lower level gives no more
                    return
                continue
            others, gradients = self.lagrange()
            g = gradients[list(others).index(place)]
            lower, upper = self.box(radius)
            ends = np.where(g > 0, upper, lower), np.where(g > 0, lower, upper)
            new = self.theta[self.k] + max(ends, key=lambda e: abs(g @ e))
            self.put(place, new, *self.evaluate(new, self.rough(radius)))

    def refine(self, i: int, delta: float) -> bool:
        """The value at point i more accurately; whether it became so."""
        before = self.error[i].max()
        self.put(i, self.theta[i], *self.evaluate(self.theta[i], delta, accepted=i == self.k))
        return bool(self.error[i].max() < before)

    def put(self, i: int, theta: np.ndarray, r: np.ndarray, error: np.ndarray) -> None:
        self.theta[i], self.r[i], self.error[i] = theta, r, error

    def leaving(self, theta: np.ndarray, radius: float, keep: int | None) -> int:
        """Which point makes room for a new one: one that is far, or whose polynomial is large there."""
        others, gradients = self.lagrange()
        s = theta - self.theta[self.k]
        weight = np.full(len(self.theta), 0.0)
        weight[others] = np.abs(gradients @ s)
        weight[self.k] = abs(1 - (gradients @ s).sum())
        weight *= np.maximum(np.abs(self.theta - theta).max(1) / radius, 1) ** 2
        if keep is not None:
            weight[keep] = -1
        return int(weight.argmax())


def wrong(r: np.ndarray, delta: np.ndarray) -> float:
    """How far ||r||^2 can be from the exact one."""
    return float((delta * (2 * np.abs(r) + delta)).sum())
