r"""A method as a map :math:`y\mapsto\Phi(y)` with a derivative: what attacks and Lipschitz constants are made of.

Which derivative there is depends on how the method finds its image, and every result says which one was used:

============== =======================================================================================================
``gradient``   how :math:`J=\Phi'(y)` is applied
============== =======================================================================================================
autograd       by backpropagation through a formula or a network: exact
frozen         by backpropagation through an iteration that is stopped in time, the number of iterations held fixed
implicit       from the optimality condition of a smooth objective: exact at an exact minimiser, for its branch; of a
               generator with kinks an estimate, because minimisers like to stay at a kink while the data move
fixed point    from the fixed point of the primal-dual method, by so many steps of its linearisation: an estimate
none           not at all: the search compares values, and finds less
============== =======================================================================================================

A derivative only says where to search.  What an attack reports is computed by the method as its users call it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from .._check import trusting
from ..regularisers import Fidelity
from ..regularisers.objective import spread
from ..solvers import reconstruct

__all__ = ["FIRST", "Frozen", "Point", "SolutionMap", "Traceable", "directional"]

#: What of a method may differ between the problems of a batch.
WEIGHTS = ("lam", "mu", "level")
#: What of the settings of ``reconstruct`` says where it starts, which plays no part once a neighbour has been solved.
FIRST = ("start", "n_starts", "generator", "x0")


def directional(out: Tensor, at: Tensor, direction: Tensor) -> Tensor:
    """The derivative of ``out`` by ``at`` in a direction, by two passes backwards: u -> J^T u is linear in u."""
    with torch.enable_grad():
        u = torch.zeros_like(out, requires_grad=True)
        (back,) = torch.autograd.grad(out, at, u, create_graph=True, allow_unused=True)
    if back is None or not back.requires_grad:
        return torch.zeros_like(out)
    return torch.autograd.grad(back, u, direction, retain_graph=True)[0]


class Point:
    """The map near one batch of data: ``x``, and its derivative there.

    ``state`` is where the solver may go on from at data near by: tensors with a batch axis.
    """

    def __init__(self, x: Tensor, state: dict[str, Tensor] | None = None) -> None:
        self.x, self.state = x.detach(), {} if state is None else state

    def vjp(self, w: Tensor) -> Tensor:
        """J^T w, shaped like the data."""
        raise NotImplementedError

    def jvp(self, e: Tensor) -> Tensor:
        """J e, shaped like the images."""
        raise NotImplementedError


class _Traced(Point):
    """With the graph of autograd."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__(x)
        self.out, self.y = x, y

    def vjp(self, w: Tensor) -> Tensor:
        return torch.autograd.grad(self.out, self.y, w, retain_graph=True)[0]

    def jvp(self, e: Tensor) -> Tensor:
        return directional(self.out, self.y, e)


class SolutionMap:
    """A method for data of A.  A subclass has a derivative.

    Attributes
    ----------
    gradient : str
        One of the table above.
    evaluations : int
        Images that the method has made, counted one by one, in whatever way.
    """

    gradient = "none"

    def __init__(self, A, method, solver: str, fidelity: Fidelity, settings: dict) -> None:
        self.A, self.method, self.solver, self.fidelity, self.settings = A, method, solver, fidelity, settings
        self.evaluations = 0

    def images(self, y: Tensor) -> Tensor:
        """What the method makes of the data as its users call it."""
        self.evaluations += len(y)
        found = reconstruct(self.A, y, self.method, self.solver, fidelity=self.fidelity, **self.settings)
        return found.x

    def at(self, y: Tensor, state: dict[str, Tensor] | None = None) -> Point:
        """The map near y, from the state of a point near by, if there is one."""
        return Point(self.images(y))

    def repeat(self, times: int) -> SolutionMap:
        """The same for batches in which every problem comes ``times`` in a row."""
        other = copy.copy(self)
        other.method, other.evaluations = copy.copy(self.method), 0
        for name in WEIGHTS:
            value = vars(self.method).get(name)
            if isinstance(value, Tensor) and value.ndim == 1:
                setattr(other.method, name, value.repeat_interleave(times))
        return other


class Traceable(SolutionMap):
    """A reconstructor through which autograd finds its way."""

    gradient = "autograd"

    def at(self, y: Tensor, state=None) -> Point:
        self.evaluations += len(y)
        y = y.detach().requires_grad_()
        with torch.enable_grad():
            x = self.method(y, self.A)
        return _Traced(x, y)


class Frozen(Traceable):
    """An iteration with the numbers of iterations that it takes without perturbing them."""

    gradient = "frozen"

    def at(self, y: Tensor, state=None) -> Point:
        self.evaluations += len(y)
        last = self.method.run(y, self.A)["iterations"]
        y, found = y.detach().requires_grad_(), None
        with torch.enable_grad(), trusting():
            for k, (x, _) in enumerate(self.method.iterates(y, self.A)):
                found = x if found is None else torch.where(spread(last >= k, x), x, found)
                if k == int(last.max()):
                    break
        return _Traced(found, y)
