r"""Derivatives of minimisers: from the optimality condition, and from the fixed point of the primal-dual method.

For a smooth objective F(v, y) the minimiser v(y) satisfies :math:`\nabla_v F(v(y), y) = 0`, and therefore

.. math:: v'(y) = -\big(\nabla_v^2 F\big)^{-1}\,\partial_y\nabla_v F .

Where there are kinks, the primal-dual method has a fixed point s = T(s, y), and :math:`s'(y) = (I - T_s)^{-1}\,T_y`
wherever T has a derivative; the steps that the method itself takes, linearised, solve that equation.

Sources: Griewank and Walther, Evaluating Derivatives, Ch. 15; Bertrand et al., JMLR 23 (2022), for kinks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._check import trusting
from ..regularisers.objective import QuadraticObjective, spread, sum_of_squares
from ..solvers import conjugate_gradients, objective_of, reconstruct
from ..solvers.pdhg import balanced_ratio, step_sizes
from .maps import FIRST, Point, SolutionMap, directional

__all__ = ["FixedPoint", "Stationary"]

#: Up to so many unknowns the second derivatives are written out and decomposed.
SMALL = 64
#: Curvatures below this part of the largest count as this: an objective may be flat at its minimiser.
FLAT = 1e-6
#: Steps of the primal-dual method, and of its linearisation, for each new y.
STEPS = 60
#: Steps until it is said to have settled at the first y, and how little an image then moves in ten steps, relatively.
SETTLE, MOVED = 3_000, 1e-4
RELAXATION = 1.9


class _System(QuadraticObjective):
    """H s = b for ``conjugate_gradients``, with H as a function of batches in which every problem has its place."""

    batched = ("b", "index")

    def __init__(self, H, b: Tensor) -> None:
        self.H, self.b, self.size, self.index = H, b, len(b), torch.arange(len(b), device=b.device)

    def normal(self, x: Tensor) -> Tensor:
        whole = x.new_zeros(self.size, *x.shape[1:])
        whole[self.index] = x
        return self.H(whole)[self.index]

    def right(self) -> Tensor:
        return self.b

    def _value(self, v: Tensor) -> Tensor:
        return (v * (self.normal(v) / 2 - self.b)).flatten(1).sum(1)


class _StationaryPoint(Point):
    """A minimiser v of a smooth objective: ``slope`` is the gradient by v, with its graph, and 0."""

    def __init__(self, out: Tensor, slope: Tensor, v: Tensor, y: Tensor, name: str) -> None:
        super().__init__(out, {name: v.detach()})
        self.out, self.slope, self.v, self.y = out, slope, v, y
        self._decomposed: tuple[Tensor, Tensor] | None = None

    def _curved(self, s: Tensor) -> Tensor:
        return torch.autograd.grad(self.slope, self.v, s, retain_graph=True)[0]

    def _solve(self, b: Tensor) -> Tensor:
        """H^-1 b."""
        d = self.v[0].numel()
        if d > SMALL:
            return conjugate_gradients(_System(self._curved, b), torch.zeros_like(b))[0]["v"]
        if self._decomposed is None:
            units = torch.eye(d, dtype=b.dtype, device=b.device)
            rows = [self._curved(e.reshape(1, *b.shape[1:]).expand_as(b).contiguous()).flatten(1) for e in units]
            H = torch.stack(rows, 1)
            values, vectors = torch.linalg.eigh((H + H.mT) / 2)
            largest = values.abs().amax(1, keepdim=True).clamp_min(torch.finfo(b.dtype).tiny)
            self._decomposed = torch.maximum(values, FLAT * largest), vectors
        values, vectors = self._decomposed
        return (vectors @ ((vectors.mT @ b.flatten(1)[..., None]) / values[..., None]))[..., 0].reshape(b.shape)

    def vjp(self, w: Tensor) -> Tensor:
        by_v, by_y = torch.autograd.grad(self.out, (self.v, self.y), w, retain_graph=True, allow_unused=True)
        (through,) = torch.autograd.grad(self.slope, self.y, self._solve(by_v), retain_graph=True)
        return -through if by_y is None else by_y - through

    def jvp(self, e: Tensor) -> Tensor:
        s = -self._solve(directional(self.slope, self.y, e))
        return directional(self.out, self.v, s) + directional(self.out, self.y, e)


class Stationary(SolutionMap):
    """The minimiser of a smooth objective, in the image or in a latent vector.

    For a latent vector the derivative is that of the branch on which the minimiser lies: a search follows that branch,
    from the latent vector of the point before, and does not see jumps to another one.
    """

    gradient = "implicit"

    def at(self, y: Tensor, state: dict[str, Tensor] | None = None) -> Point:
        self.evaluations += len(y)
        settings = self.settings
        if state:
            settings = {k: value for k, value in settings.items() if k not in FIRST}
            settings |= {"start": state["z"]} if "z" in state else {"x0": state["x"]}
        found = reconstruct(self.A, y, self.method, self.solver, fidelity=self.fidelity, **settings)
        name, v = ("x", found.x) if found.z is None else ("z", found.z)
        v, y = v.detach().requires_grad_(), y.detach().requires_grad_()
        with torch.enable_grad(), trusting():
            objective = objective_of(self.A, y, self.method, self.solver, self.fidelity)
            (slope,) = torch.autograd.grad(objective.value(v).sum(), v, create_graph=True)
            out = objective.answer({"v": v}, len(v))[0]
        return _StationaryPoint(out, slope, v, y, name)


class _FixedPoint(Point):
    """A fixed point s = (v, p, q) of the primal-dual method, and one step from it with its graph.

    u of (I - T_s)^T u = w, and t of (I - T_s) t = T_y e, go on from where they ended at the point before: along a
    search they need few steps each.
    """

    NAMES = ("v", "p", "q")

    def __init__(self, x: Tensor, state: dict[str, Tensor], step, image) -> None:
        super().__init__(x, state)
        self.s = tuple(state[name].detach().requires_grad_() for name in self.NAMES)
        self.y, self.image, self.channels = state["y"].detach().requires_grad_(), image, state["v"].shape[1]
        with torch.enable_grad(), trusting():
            self.new = step(self.y, *self.s)

    def _back(self, u, by) -> tuple[Tensor, ...]:
        found = torch.autograd.grad(self.new, by, u, retain_graph=True, allow_unused=True)
        return tuple(torch.zeros_like(b) if part is None else part for part, b in zip(found, by, strict=True))

    def vjp(self, w: Tensor) -> Tensor:
        right = (torch.cat([w, w.new_zeros(len(w), self.channels - 1, *w.shape[2:])], 1), 0.0, 0.0)
        u = tuple(self.state.get(f"u_{name}", torch.zeros_like(s)) for name, s in zip(self.NAMES, self.s, strict=True))
        with trusting():
            for _ in range(STEPS):
                new = self._back(u, self.s)
                u = tuple(a + RELAXATION * (b + c - a) for a, b, c in zip(u, new, right, strict=True))
        self.state |= {f"u_{name}": part for name, part in zip(self.NAMES, u, strict=True)}
        return self._back(u, (self.y,))[0]

    def _forward(self, inputs, directions) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            u = tuple(torch.zeros_like(part, requires_grad=True) for part in self.new)
            back = torch.autograd.grad(self.new, inputs, u, create_graph=True, allow_unused=True)
        kept = [(b, d) for b, d in zip(back, directions, strict=True) if b is not None and b.requires_grad]
        found = torch.autograd.grad([b for b, _ in kept], u, [d for _, d in kept], retain_graph=True, allow_unused=True)
        return tuple(torch.zeros_like(a) if part is None else part for part, a in zip(found, self.new, strict=True))

    def jvp(self, e: Tensor) -> Tensor:
        t = tuple(self.state.get(f"t_{name}", torch.zeros_like(s)) for name, s in zip(self.NAMES, self.s, strict=True))
        with trusting():
            source = self._forward((self.y,), (e,))
            for _ in range(STEPS):
                new = self._forward(self.s, t)
                t = tuple(a + RELAXATION * (b + c - a) for a, b, c in zip(t, new, source, strict=True))
        self.state |= {f"t_{name}": part for name, part in zip(self.NAMES, t, strict=True)}
        return self.image(t[0])


class FixedPoint(SolutionMap):
    """The minimiser of F(A x, y) + lam Phi(K (x, w)), found by the primal-dual method without its shortcuts.

    Its own steps go on from the point before, so that x lags a little behind where e has just moved far.
    """

    gradient = "fixed point"

    def at(self, y: Tensor, state: dict[str, Tensor] | None = None) -> Point:
        self.evaluations += len(y)
        objective = objective_of(self.A, y, self.method, fidelity=self.fidelity)
        with torch.no_grad(), trusting():
            state = self._settled(objective, y) if not state else self._moved(objective, y, dict(state), STEPS)
        state["y"] = y.detach()
        return _FixedPoint(objective.image(state["v"]), state, self._step(objective, state["ratio"]), objective.image)

    def _step(self, objective, ratio: Tensor):
        """One step of the method: (y, v, p, q) -> (v, p, q)."""
        A, R, squared = objective.A, objective.R, (objective.A.norm or 1.0) ** 2
        tau, sigma = step_sizes(ratio, (1 + R.norm_squared) ** 0.5)

        def step(y: Tensor, v: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            new = objective.nearest(v - spread(tau, v) * (objective.lift(A.T(p)) + R.KT(q)))
            bar = 2 * new - v
            p = objective.fidelity.dual_step(p, A(objective.image(bar)), y, spread(sigma, p) / squared)
            q = R.dual_step(q + spread(sigma, q) * R.K(bar), spread(objective.lam, q), spread(sigma, q))
            return new, p, q

        return step

    def _moved(self, objective, y: Tensor, state: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
        step, s = self._step(objective, state["ratio"]), tuple(state[name] for name in _FixedPoint.NAMES)
        for _ in range(steps):
            new = step(y, *s)
            s = tuple(torch.lerp(a, b, RELAXATION) for a, b in zip(s, new, strict=True))
        return state | dict(zip(_FixedPoint.NAMES, s, strict=True))

    def _settled(self, objective, y: Tensor) -> dict[str, Tensor]:
        """From 0, with the ratio of the step sizes from how far it has come; see ``pdhg``."""
        squared = (objective.A.norm or 1.0) ** 2
        v = objective.lift(y.new_zeros(len(y), *objective.A.shape_in))
        state = {"v": v, "p": torch.zeros_like(y), "q": torch.zeros_like(objective.R.K(v))}
        state["ratio"] = torch.full_like(objective.lam, 1 / squared**2)
        for k in range(0, SETTLE, 10):
            before = objective.image(state["v"])
            state = self._moved(objective, y, state, 10)
            if k in (0, 40, 80, 160):
                far = balanced_ratio(state["v"], state["p"] / squared**0.5, state["q"] / squared)
                state["ratio"] = (far / (2 * squared**2)).clamp(1e-8, 1e8)
            now = objective.image(state["v"])
            if k > 160 and bool((sum_of_squares(now - before) <= MOVED**2 * sum_of_squares(now)).all()):
                break
        return state
