"""``reconstruct(A, y, method)``: the problem of a regulariser, or a learned map, for a whole batch at once.

What can be solved, and how, is not known here: a regulariser makes its problem, and algorithms enter themselves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_flag, check_generator, check_kind, check_tensor, trusting
from .._inference import with_autograd
from ..operators import LinearOperator
from ..operators.base import check_operator
from ..reconstructors import Reconstructor
from ..regularisers import Fidelity, Regulariser
from ..regularisers.objective import SQUARED, ImageObjective, Objective
from ..regularisers.registry import Algorithm, choose
from ..regularisers.starts import Dictionary
from .pool import CONVERGED, ROUND_OFF

__all__ = ["Result", "objective_of", "reconstruct"]


@dataclass(frozen=True)
class Result:
    """What a solver found for each of B problems.

    Attributes
    ----------
    x : (B, 1, H, W) reconstruction
    z : (B, d) latent vector, or None
    u : (B, 1, H, W) deviation x - G(z) from the range, or None
    objective : (B,) value of the problem that was solved, in the order and with the weights of the formula; None for
        a map, which solves none
    iterations, values, gradients : (B,) steps taken, and evaluations of the objective without and with gradient;
        over all starts
    converged : (B,) bool, True where the solver's stopping rule holds, or no step can lower the objective beyond
        round-off; False where the iteration budget ran out, something was not finite, or the objective rose.  True for
        a formula or a network, which is finished when it has been applied; of a method that is stopped in time, see
        ``Iterative``, and of one with a denoiser, ``Denoising``
    seconds : float, for the whole batch
    trace : dict, "f" (steps, B, starts) and, for generative regularisers, "z" (steps, B, starts, d); NaN after
        the end; empty unless asked for
    warning : what is to be said of a network that was trained with another operator, or None
    """

    x: Tensor
    z: Tensor | None
    u: Tensor | None
    objective: Tensor | None
    iterations: Tensor
    values: Tensor
    gradients: Tensor
    converged: Tensor
    seconds: float
    trace: dict[str, Tensor]
    warning: str | None = None


def _posed(
    A, y: Tensor, method: Regulariser, solver: str, fidelity: Fidelity, name: str = "method"
) -> tuple[Objective, Algorithm]:
    """The function that is minimised, and the algorithm that does it."""
    if not isinstance(method, Regulariser):
        raise TypeError(f"'{name}' must be a Regulariser or a Reconstructor, got {type(method).__name__}")
    _check_data(A, y)
    check_kind("fidelity", fidelity, Fidelity).check(y)
    problem = method.problem(A, y, fidelity)
    algorithm = choose(problem, solver)
    return algorithm.view(problem), algorithm


def _check_first_image(objective: Objective, algorithm: Algorithm, start) -> None:
    """Raise if an ``x0`` would play no part."""
    encoded = isinstance(start, str) and start == "encoder"
    if not (encoded or algorithm.first_image or isinstance(objective, ImageObjective)):
        raise ValueError(
            f"'x0' plays no part for solver {algorithm.name!r} unless start='encoder': leave it out, or say so"
        )


def _check_data(A, y: Tensor) -> None:
    check_operator(A)
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    if len(y) == 0:
        raise ValueError("'y' must hold at least one problem, got an empty batch")


@with_autograd
def objective_of(
    A: LinearOperator, y: Tensor, R: Regulariser, solver: str = "auto", fidelity: Fidelity = SQUARED
) -> Objective:
    """The batch of functions that ``reconstruct`` minimises, for those who want to evaluate or plot it.

    Raises
    ------
    TypeError, ValueError
        See ``reconstruct``.
    """
    return _posed(A, y, R, solver, fidelity, "R")[0]


@with_autograd
def reconstruct(
    A: LinearOperator,
    y: Tensor,
    method: Regulariser | Reconstructor,
    solver: str = "auto",
    start: str | Tensor | Dictionary = "dictionary",
    n_starts: int = 1,
    generator: torch.Generator | None = None,
    x0: Tensor | None = None,
    batch_size: int = 1024,
    trace: bool = False,
    fidelity: Fidelity = SQUARED,
    **settings,
) -> Result:
    """Images from a batch of data: by min F(A x, y) + lam R(x), or by a map.

    Parameters
    ----------
    A : LinearOperator
        For Hard also ``Magnitude``, which is not linear.
    y : (B, *A.shape_out) tensor
    method : Regulariser or Reconstructor
        A regulariser has its weights; (B,) tensors as weights give each problem its own, so that a sweep is one batch.
        A reconstructor is applied as ``method(y, A)``, and of the arguments below only ``trace`` plays a part.
    solver : str
        "paper": Algorithm 1 (Tikhonov, hard), 2 (relaxed), 3 (sparse, sparse-TV), PDHG (TV), as in Appendix A.
        "lbfgs": L-BFGS for hard, for relaxed and the learned covariance after x has been eliminated exactly, and in the
        pixels for smooth regularisers.
        "lm": Levenberg-Marquardt for the same two problems, with the Jacobian of G; "gradients" stays 0, a Jacobian
        counts as d + 1 "values".
        "reduced": Algorithm 1 on that reduced problem.  "direct": Tikhonov by the singular value decomposition.
        "cg": Tikhonov by conjugate gradients, which need no decomposition.
        "warm": sparse from u = 0 by L-BFGS, then Algorithm 3 until the objective stands still.
        "linearised": sparse-TV by convex problems, G replaced by its tangent.
        "projected": hard by eq. (8).  "constrained": hard with a constraint R_Z, by projected gradient steps in z.
        "adapted": hard, then the weights of G follow too, ``max_iter`` steps of size ``lr``; u is what they changed.
        "fista", "forward-backward": any regulariser that is a function of the image and has a proximal operator.
        "pdhg", "admm": Tikhonov, H1, L1, Wavelets, TV, TGV, with bounds on the grey values and with counts, too.
        "alternating": the learned covariance and relaxed, x by conjugate gradients and z in turn; what "auto" takes for
        relaxed where the operator is too large to be decomposed.
        "auto": the fastest of these; where the operator is too large to be decomposed, the fastest without that.
    start : "dictionary", "random", "encoder", a Dictionary, or a (B, d) or (B, n_starts, d) tensor
        For generative regularisers.  "dictionary" takes the ``n_starts`` best of 4096 draws from the prior;
        "encoder" takes E(x0).  Several starts are chosen by objective, never by PSNR.
    n_starts : int
    generator : torch.Generator
        Needed for "dictionary" and "random".
    x0 : (B, 1, H, W) tensor, optional
        The image that "encoder" encodes; also the first x of Algorithm 2 (default: G(z)), of Algorithm 1 for
        Tikhonov ("cg" too) and of PDHG (default: 0).
    batch_size : int
        Problems (times starts) solved at once; a matter of memory and speed.  Each problem has its own steps and its
        own end.  But products of other sizes round differently, and a search that is not convex can amplify that: in
        float64 to 1e-5 at most, while in float32 one problem in some dozens ends in another minimum.
    trace : bool
        Record objective and latent vector along the way.
    fidelity : Fidelity
        The data term F: ``SquaredError()``, ||A x - y||^2, or ``KullbackLeibler()`` for counts, where a solver has it.
    **settings
        For the algorithm: ``max_iter``, ``tol``; for "paper", "reduced" and "constrained" ``L0``, ``eta0``,
        ``eta1``, ``stop``; for "projected" ``eta`` and ``inner_iter``.

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        Wrong shape, dtype or device, NaN in ``y``, an unknown solver or start, a generator whose images do not
        fit A, a missing ``generator`` or ``x0``.

    Source
    ------
    Paper, Sect. 3 and 5, Appendix A.

    Example
    -------
    >>> from course_utils import GaussianBlur, Tikhonov
    >>> A = GaussianBlur(28)
    >>> y = A(torch.ones(2, 1, 28, 28))
    >>> result = reconstruct(A, y, Tikhonov(1e-3))
    >>> result.x.shape, bool((result.x - 1).abs().mean() < 0.05)
    (torch.Size([2, 1, 28, 28]), True)
    """
    started = time.perf_counter()
    if isinstance(method, Reconstructor):
        return _mapped(A, y, method, check_flag("trace", trace), started)
    objective, algorithm = _posed(A, y, method, solver, fidelity)
    batch_size, n_starts = check_count("batch_size", batch_size), check_count("n_starts", n_starts)
    trace = check_flag("trace", trace)
    if generator is not None:
        check_generator(generator)
    if x0 is not None:
        _check_first_image(objective, algorithm, start)
        check_tensor("x0", x0, (len(y), *A.shape_in), like=y)
        check_finite("x0", x0)
    with torch.no_grad(), trusting():
        v0 = objective.starts(start, n_starts, generator, x0)
        B, S = v0.shape[:2]
        everyone = torch.arange(B, device=y.device)
        problem = everyone.repeat_interleave(S)
        parts, traces = [], []
        for rows in torch.arange(B * S, device=y.device).split(batch_size):
            first = x0[problem[rows]] if x0 is not None else None
            part, path = algorithm.run(
                objective.select(problem[rows]), v0.flatten(0, 1)[rows], first, trace=trace, **settings
            )
            parts.append(part)
            traces.append(path)
        found = {name: torch.cat([part[name] for part in parts]).unflatten(0, (B, S)) for name in parts[0]}
        best = found["f"].argmin(1)
        chosen = {name: value[everyone, best] for name, value in found.items()}
        x, z, u = objective.answer(chosen, batch_size)
    return Result(
        x=x, z=z, u=u, objective=chosen["f"],
        iterations=found["iterations"].sum(1), values=found["values"].sum(1), gradients=found["gradients"].sum(1),
        converged=(chosen["status"] == CONVERGED) | (chosen["status"] == ROUND_OFF),
        seconds=time.perf_counter() - started, trace=_stack_traces(traces, B, S, latent=z is not None),
    )  # fmt: skip


def _mapped(A: LinearOperator, y: Tensor, method: Reconstructor, trace: bool, started: float) -> Result:
    """What a map makes of the data: a formula, an iteration, or a network."""
    _check_data(A, y)
    with torch.no_grad():
        found = method.run(y, A, trace=trace)
    none = torch.zeros(len(y), dtype=torch.int64, device=y.device)
    return Result(
        x=found["x"], z=None, u=None, objective=None, iterations=found.get("iterations", none), values=none,
        gradients=found.get("iterations", none), converged=found.get("converged", none == 0),
        seconds=time.perf_counter() - started, trace=found.get("trace", {}), warning=found.get("warning"),
    )  # fmt: skip


def _stack_traces(traces: list[dict[str, Tensor]], B: int, S: int, latent: bool) -> dict[str, Tensor]:
    """Traces of the chunks, padded with NaN to one length: (steps, B, S, ...); images are not kept."""
    out = {}
    for key in traces[0]:
        if key == "v" and not latent:
            continue
        length = max(len(part[key]) for part in traces)
        name = "z" if key == "v" else key
        padded = [
            torch.cat([part[key], part[key].new_full((length - len(part[key]), *part[key].shape[1:]), float("nan"))])
            for part in traces
        ]
        out[name] = torch.cat(padded, dim=1).unflatten(1, (B, S))
    return out
