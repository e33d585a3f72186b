"""``reconstruct(A, y, R)``: solve the variational problem of a regulariser, a whole batch at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_choice, check_count, check_finite, check_tensor
from ..generators import Generator
from ..operators import LinearOperator
from ..regularisers import (
    L1,
    TV,
    EncoderDistance,
    Hard,
    Intermediate,
    LearnedCovariance,
    Relaxed,
    Sparse,
    SparseTV,
    SquaredNorm,
    Tikhonov,
)
from .adapted import adapt
from .alternating import alternating_gradient_descent, palm
from .conjugate import conjugate_gradients
from .covariance import CovarianceObjective, RelaxedInTurn, alternate, eliminate
from .descent import gradient_descent, lbfgs
from .levenberg import levenberg_marquardt
from .objectives import (
    HardObjective,
    Objective,
    ReducedObjective,
    RelaxedObjective,
    SparseObjective,
    TikhonovObjective,
    per_problem,
)
from .pdhg import TVObjective, pdhg
from .pool import MAX_ITER
from .projected import projected_gradient_descent
from .proximal import LassoObjective, fista, proximal_gradient
from .sparse_tv import SparseTVObjective, linearised, sparse_tv_palm
from .starts import Dictionary
from .variants import EncoderObjective, IntermediateObjective, LatentObjective, descend_from_range, staged

__all__ = ["Result", "objective_of", "reconstruct"]

#: Solvers of each regulariser; the first is what "auto" takes.
SOLVERS: dict[type, tuple[str, ...]] = {
    Tikhonov: ("direct", "cg", "paper"),
    TV: ("paper",),
    L1: ("fista",),
    Hard: ("lbfgs", "paper", "projected", "lm", "adapted"),
    Relaxed: ("lbfgs", "reduced", "paper", "lm", "alternating"),
    Sparse: ("warm", "paper"),
    SparseTV: ("linearised", "paper"),
    EncoderDistance: ("lbfgs", "paper"),
    Intermediate: ("lbfgs",),
    LearnedCovariance: ("lbfgs", "alternating"),
}


def _solvers(R) -> tuple[str, ...]:
    """What can solve the problem of R: for hard it depends on R_Z."""
    if isinstance(R, Hard) and R.R_Z.constraint:
        return ("constrained",)
    if isinstance(R, Hard) and not isinstance(R.R_Z, SquaredNorm):
        return ("lbfgs", "paper")
    return SOLVERS[type(R)]


def _chosen(solver: str, A, R) -> str:
    """What "auto" stands for: the first solver that can be run."""
    if solver != "auto":
        return solver
    if isinstance(R, (Tikhonov, Relaxed)) and not A.decomposes:
        return {Tikhonov: "cg", Relaxed: "paper"}[type(R)]
    return _solvers(R)[0]


@dataclass(frozen=True)
class Result:
    """What a solver found for each of B problems.

    Attributes
    ----------
    x : (B, 1, H, W) reconstruction
    z : (B, d) latent vector, or None
    u : (B, 1, H, W) deviation x - G(z) from the range, or None
    objective : (B,) value of the problem that was solved, in the order and with the weights of the formula
    iterations, values, gradients : (B,) steps taken, and evaluations of the objective without and with gradient;
        over all starts
    converged : (B,) bool, False where the iteration budget ran out
    seconds : float, for the whole batch
    trace : dict, "f" (steps, B, starts) and, for generative regularisers, "z" (steps, B, starts, d); NaN after
        the end; empty unless asked for
    """

    x: Tensor
    z: Tensor | None
    u: Tensor | None
    objective: Tensor
    iterations: Tensor
    values: Tensor
    gradients: Tensor
    converged: Tensor
    seconds: float
    trace: dict[str, Tensor]


def objective_of(A: LinearOperator, y: Tensor, R, solver: str = "auto") -> Objective:
    """The batch of functions that ``reconstruct`` minimises, for those who want to evaluate or plot it.

    Raises
    ------
    TypeError, ValueError
        See ``reconstruct``.
    """
    if type(R) not in SOLVERS:
        raise TypeError(f"'R' must be one of {', '.join(c.__name__ for c in SOLVERS)}, got {type(R).__name__}")
    check_choice("solver", solver, ("auto", *_solvers(R)))
    if not isinstance(A, LinearOperator) and (not isinstance(R, Hard) or solver in ("projected", "lm")):
        raise TypeError(f"'A' must be a LinearOperator for this problem, got {type(A).__name__}: it allows Hard only")
    check_tensor("y", y, (None, *A.shape_out), like=A.like)
    check_finite("y", y)
    if len(y) == 0:
        raise ValueError("'y' must hold at least one problem, got an empty batch")
    lam = per_problem("lam", R.lam, y)
    if isinstance(R, Tikhonov):
        return TikhonovObjective(A, y, lam)
    if isinstance(R, TV):
        return TVObjective(A, y, lam)
    if isinstance(R, L1):
        return LassoObjective(A, y, R, lam)
    if R.G.image_shape != A.shape_in:
        raise ValueError(f"'R' has a generator of images {R.G.image_shape}, the operator takes {A.shape_in}")
    if isinstance(R, Hard):
        plain = isinstance(R.R_Z, SquaredNorm)
        return HardObjective(A, y, R.G, lam) if plain else LatentObjective(A, y, R.G, lam, R.R_Z)
    if isinstance(R, EncoderDistance):
        return EncoderObjective(A, y, R, lam)
    if isinstance(R, LearnedCovariance):
        return CovarianceObjective(A, y, R, lam)
    mu = per_problem("mu", R.mu, y)
    if isinstance(R, SparseTV):
        return SparseTVObjective(A, y, R.G, lam, mu)
    if isinstance(R, Sparse):
        return SparseObjective(A, y, R.G, lam, mu)
    if isinstance(R, Intermediate):
        return IntermediateObjective(A, y, R, lam, mu)
    objective = {"paper": RelaxedObjective, "alternating": RelaxedInTurn}.get(_chosen(solver, A, R), ReducedObjective)
    return objective(A, y, R.G, lam, mu)


def reconstruct(
    A: LinearOperator,
    y: Tensor,
    R,
    solver: str = "auto",
    start: str | Tensor | Dictionary = "dictionary",
    n_starts: int = 1,
    generator: torch.Generator | None = None,
    x0: Tensor | None = None,
    batch_size: int = 1024,
    trace: bool = False,
    **settings,
) -> Result:
    """Solve min ||A x - y||^2 + lam R(x) for a batch of data.

    Parameters
    ----------
    A : LinearOperator
        For Hard also ``Magnitude``, which is not linear.
    y : (B, *A.shape_out) tensor
    R : Tikhonov, TV, L1, Hard, Relaxed, Sparse, SparseTV, EncoderDistance, Intermediate or LearnedCovariance
        With weights; (B,) tensors as weights give each problem its own, so that a sweep is one batch.
    solver : str
        "paper": Algorithm 1 (Tikhonov, hard), 2 (relaxed), 3 (sparse, sparse-TV), PDHG (TV), as in Appendix A.
        "lbfgs": L-BFGS for hard, and for relaxed and the learned covariance after x has been eliminated exactly.
        "lm": Levenberg-Marquardt for the same two problems, with the Jacobian of G; "gradients" stays 0, a Jacobian
        counts as d + 1 "values".
        "reduced": Algorithm 1 on that reduced problem.  "direct": Tikhonov by the singular value decomposition.
        "cg": Tikhonov by conjugate gradients, which need no decomposition.
        "warm": sparse from u = 0 by L-BFGS, then Algorithm 3 until the objective stands still.
        "linearised": sparse-TV by convex problems, G replaced by its tangent.
        "projected": hard by eq. (8).  "constrained": hard with a constraint R_Z, by projected gradient steps in z.
        "adapted": hard, then the weights of G follow too, ``max_iter`` steps of size ``lr``; u is what they changed.
        "fista": L1.  "alternating": the learned covariance and relaxed, x by conjugate gradients and z in turn.
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
        Problems (times starts) solved at once; a matter of memory and speed, not of the result.
    trace : bool
        Record objective and latent vector along the way.
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
    >>> from course_utils.operators import GaussianBlur
    >>> A = GaussianBlur(28)
    >>> y = A(torch.ones(2, 1, 28, 28))
    >>> result = reconstruct(A, y, Tikhonov(1e-3))
    >>> result.x.shape, bool((result.x - 1).abs().mean() < 0.05)
    (torch.Size([2, 1, 28, 28]), True)
    """
    started = time.perf_counter()
    objective = objective_of(A, y, R, solver)
    solver = _chosen(solver, A, R)
    check_count("batch_size", batch_size)
    check_count("n_starts", n_starts)
    if x0 is not None:
        check_tensor("x0", x0, (len(y), *A.shape_in), like=y)
        check_finite("x0", x0)
    with torch.no_grad():
        if solver == "direct":
            return _tikhonov_direct(A, y, objective, started, settings)
        G = getattr(R, "G", None)
        v0 = _image_start(A, y, x0) if G is None else _latent_starts(objective, G, y, start, n_starts, generator, x0)
        B, S = v0.shape[:2]
        problem = torch.arange(B, device=y.device).repeat_interleave(S)
        parts, traces = [], []
        for rows in torch.arange(B * S, device=y.device).split(batch_size):
            run = _RUNS[type(R), solver]
            first = x0[problem[rows]] if x0 is not None else None
            found, path = run(objective.select(problem[rows]), v0.flatten(0, 1)[rows], first, trace=trace, **settings)
            parts.append(found)
            traces.append(path)
        found = {name: torch.cat([part[name] for part in parts]).unflatten(0, (B, S)) for name in parts[0]}
        best = found["f"].argmin(1)
        chosen = {name: value[torch.arange(B, device=y.device), best] for name, value in found.items()}
        x = chosen.get("x", chosen.get("v") if G is None else None)
        z = u = None
        if G is not None:
            z = chosen.get("z", chosen.get("v"))
            g = torch.cat([G(part) for part in z.split(batch_size)])
            if isinstance(objective, ReducedObjective):
                x = torch.cat(
                    [objective.select(i).image(z[i]) for i in torch.arange(B, device=y.device).split(batch_size)]
                )
            elif x is None:
                x = g + chosen["u"] if "u" in chosen else g
            u = x - g
    return Result(
        x=x, z=z, u=u, objective=chosen["f"],
        iterations=found["iterations"].sum(1), values=found["values"].sum(1), gradients=found["gradients"].sum(1),
        converged=chosen["status"] != MAX_ITER,
        seconds=time.perf_counter() - started, trace=_stack_traces(traces, B, S, latent=G is not None),
    )  # fmt: skip


def _tikhonov_direct(A: LinearOperator, y: Tensor, objective: Objective, started: float, settings: dict) -> Result:
    if settings:
        raise TypeError(f"solver 'direct' takes no settings, got {', '.join(settings)}")
    basis = A.spectrum()
    S = basis.S
    x = basis.image(basis.of_data(y) * (S / (S**2 + objective.lam[:, None]).clamp_min(torch.finfo(S.dtype).tiny)))
    none = torch.zeros(len(y), dtype=torch.int64, device=y.device)
    return Result(
        x=x, z=None, u=None, objective=objective.value(x), iterations=none, values=none, gradients=none,
        converged=none == 0, seconds=time.perf_counter() - started, trace={},
    )  # fmt: skip


def _image_start(A: LinearOperator, y: Tensor, x0: Tensor | None) -> Tensor:
    """(B, 1, *shape): the first image, one start."""
    x0 = torch.zeros(len(y), *A.shape_in, dtype=y.dtype, device=y.device) if x0 is None else x0
    return x0.unsqueeze(1)


def _latent_starts(objective, G: Generator, y: Tensor, start, n_starts: int, generator, x0) -> Tensor:
    """(B, S, d) latent vectors from which to start."""
    constraint = getattr(objective, "R_Z", None)
    constraint = constraint if constraint is not None and constraint.constraint else None
    if isinstance(start, Tensor):
        if start.ndim == 2:
            start = start.unsqueeze(1)
        check_tensor("start", start, (len(y), None, G.latent_dim), like=y)
        check_finite("start", start)
        return start if constraint is None else constraint.project(start.flatten(0, 1)).reshape(start.shape)
    if isinstance(start, Dictionary):
        if start.G is not G:
            raise ValueError("'start' is a Dictionary of another generator than that of 'R'")
        start = start if constraint is None else start.projected(constraint)
        return _best_of(start, objective, len(y), n_starts)
    check_choice("start", start, ("dictionary", "random", "encoder"))
    if start == "encoder":
        if x0 is None:
            raise ValueError("start='encoder' needs 'x0', an image to encode (a Tikhonov reconstruction, say)")
        if n_starts != 1:
            raise ValueError(f"start='encoder' gives one start, got n_starts={n_starts}")
        z = torch.cat([G.encode(part) for part in x0.split(512)])
        return (z if constraint is None else constraint.project(z)).unsqueeze(1)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"start={start!r} needs 'generator', a torch.Generator, got {type(generator).__name__}")
    if start == "random":
        z = G.sample_latent(len(y) * n_starts, generator)
        return (z if constraint is None else constraint.project(z)).reshape(len(y), n_starts, -1)
    dictionary = Dictionary(G, generator)
    dictionary = dictionary if constraint is None else dictionary.projected(constraint)
    return _best_of(dictionary, objective, len(y), n_starts)


def _best_of(dictionary: Dictionary, objective: Objective, B: int, n_starts: int) -> Tensor:
    index = torch.arange(B, device=dictionary.z.device)
    return torch.cat([dictionary.best(objective.select(part), n_starts) for part in index.split(512)])


def _with_first_image(run: Callable) -> Callable:
    """Algorithm 2 needs a first x beside the first z."""

    def solve(objective, z0, x0, **settings):
        return run(objective, z0, objective.G(z0) if x0 is None else x0, **settings)

    return solve


def _without_first_image(run: Callable) -> Callable:
    return lambda objective, v0, x0, **settings: run(objective, v0, **settings)


def _palm(objective, z0, x0, **settings):
    return palm(
        objective,
        z0,
        torch.zeros(len(z0), *objective.A.shape_in, dtype=z0.dtype, device=z0.device),
        **settings,
    )


def _warm_palm(objective, z0, x0, stop: str = "objective", tol: float = 1e-6, **settings):
    """With u = 0 sparse is hard with the weight lam mu: solve that first, Algorithm 3 then has little left to do."""
    hard = HardObjective(objective.A, objective.y, objective.G, objective.lam)
    first, _ = lbfgs(hard, z0)
    found, path = _palm(objective, first["v"], x0, stop=stop, tol=tol, **settings)
    return found | {name: found[name] + first[name] for name in ("iterations", "values", "gradients")}, path


_RUNS: dict[tuple[type, str], Callable] = {
    (Tikhonov, "cg"): _without_first_image(conjugate_gradients),
    (Tikhonov, "paper"): _without_first_image(gradient_descent),
    (TV, "paper"): _without_first_image(pdhg),
    (Hard, "paper"): _without_first_image(gradient_descent),
    (L1, "fista"): _without_first_image(fista),
    (Hard, "lbfgs"): _without_first_image(lbfgs),
    (Hard, "lm"): _without_first_image(levenberg_marquardt),
    (Hard, "adapted"): _without_first_image(adapt),
    (Hard, "projected"): _without_first_image(projected_gradient_descent),
    (Hard, "constrained"): _without_first_image(proximal_gradient),
    (Relaxed, "paper"): _with_first_image(alternating_gradient_descent),
    (Relaxed, "reduced"): _without_first_image(gradient_descent),
    (Relaxed, "lm"): _without_first_image(levenberg_marquardt),
    (Relaxed, "lbfgs"): _without_first_image(lbfgs),
    (Relaxed, "alternating"): alternate,
    (SparseTV, "linearised"): _without_first_image(linearised),
    (SparseTV, "paper"): _without_first_image(sparse_tv_palm),
    (Sparse, "paper"): _palm,
    (Sparse, "warm"): _warm_palm,
    (EncoderDistance, "paper"): descend_from_range(gradient_descent),
    (EncoderDistance, "lbfgs"): descend_from_range(lbfgs),
    (Intermediate, "lbfgs"): staged,
    (LearnedCovariance, "lbfgs"): _without_first_image(eliminate),
    (LearnedCovariance, "alternating"): alternate,
}


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
