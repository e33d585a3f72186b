"""Samples of a posterior by the Metropolis-adjusted Langevin algorithm, many chains at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._check import check_callable, check_count, check_finite, check_generator, check_positive, check_tensor, trusting
from .chains import effective_sample_size, split_rhat

__all__ = ["Chains", "mala"]

#: The share of accepted proposals for which chains in many dimensions move fastest.
BEST_ACCEPTANCE = 0.574


@dataclass(frozen=True)
class Chains:
    """Draws of C chains after burn-in, and what is to be known before they are believed.

    Attributes
    ----------
    samples : (n, C, 1, H, W) tensor
    acceptance : (C,) tensor
        Share of accepted proposals of each chain, after burn-in.
    step : float
        The step size, fixed since the end of burn-in.
    ess : (1, H, W) tensor
        Effective sample size of each pixel, of all chains together.
    rhat : (1, H, W) tensor
        Split R-hat of each pixel.
    last : (C, 1, H, W) tensor
        Where the chains ended: a start for more.
    seconds : float
    """

    samples: Tensor
    acceptance: Tensor
    step: float
    ess: Tensor
    rhat: Tensor
    last: Tensor
    seconds: float

    @property
    def mean(self) -> Tensor:
        """The posterior mean, (1, H, W)."""
        return self.samples.mean((0, 1))

    @property
    def sd(self) -> Tensor:
        """The posterior standard deviation of each pixel, (1, H, W)."""
        return self.samples.flatten(0, 1).std(0)

    @property
    def error(self) -> Tensor:
        """The Monte-Carlo standard error of ``mean``, (1, H, W)."""
        return self.sd / self.ess.sqrt()

    def row(self) -> dict:
        """What is to be printed beside every result."""
        return {
            "acceptance": round(float(self.acceptance.mean()), 3), "step": self.step,
            "least_ess": float(self.ess.min()), "median_ess": float(self.ess.median()),
            "worst_rhat": round(float(self.rhat.max()), 4), "draws": len(self.samples),
            "chains": self.samples.shape[1], "seconds": round(self.seconds, 2),
        }  # fmt: skip


def mala(
    log_density: Callable,
    x0: Tensor,
    step: float,
    n: int,
    generator: torch.Generator,
    burn_in: int | None = None,
    root: Tensor | None = None,
    thin: int = 1,
) -> Chains:
    r"""Draw from a density by Langevin steps that are accepted or refused, so that it is exactly kept.

    A proposal goes up the gradient and a random step aside,
    :math:`x'=x+\tfrac{h^2}2LL^T\nabla\log p(x)+hL\xi,\ \xi\sim N(0,I)`, and is accepted with probability
    :math:`\min\{1,p(x')q(x|x')/(p(x)q(x'|x))\}`.  During burn-in, and only then, the step size h follows the
    acceptance of all chains to 0.574, by a stochastic approximation whose changes become smaller.

    Parameters
    ----------
    log_density : callable
        (C, ...) -> values (C,) and gradients (C, ...), up to a constant: ``LogPosterior``.
    x0 : (C, 1, H, W) tensor
        Where the C chains start.  Starts that differ more than the posterior lets R-hat notice what is not converged.
    step : float > 0
        First h, in units of x, or of u for x = L u if there is a ``root``; then about 1 is right.
    n : int >= 4
        Steps after burn-in.
    generator : torch.Generator
    burn_in : int >= 0, optional
        Steps that are thrown away.  Default: n // 2.
    root : (d, d) tensor, optional
        L, for images of d pixels: ``whitening``.  Default: the identity.
    thin : int
        Every so many draws one is kept, at least 4 of them.

    Returns
    -------
    Chains

    Raises
    ------
    TypeError, ValueError
        A density that is not finite at ``x0``, or values or gradients of a wrong shape.

    Source
    ------
    Roberts and Tweedie, Bernoulli 2 (1996); the best acceptance: Roberts and Rosenthal, J. R. Stat. Soc. B 60 (1998).

    Example
    -------
    >>> def normal(x):
    ...     return -0.5 * x.flatten(1).pow(2).sum(1), -x
    >>> chains = mala(normal, torch.zeros(4, 1, 2, 2), step=1.0, n=500, generator=torch.Generator().manual_seed(0))
    >>> bool((chains.mean.abs() < 4 * chains.error).all()), bool((chains.rhat < 1.05).all())
    (True, True)
    """
    started = time.perf_counter()
    check_callable("log_density", log_density)
    check_tensor("x0", x0, (None, None, None, None))
    check_finite("x0", x0)
    if not len(x0):
        raise ValueError("'x0' must hold at least one start, got none")
    h, n, thin = float(check_positive("step", step)), check_count("n", n, minimum=4), check_count("thin", thin)
    if n // thin < 4:
        raise ValueError(f"'thin' must leave at least 4 draws of {n}, got {thin}")
    burn_in = n // 2 if burn_in is None else check_count("burn_in", burn_in, minimum=0)
    check_generator(generator)
    d = x0[0].numel()
    if root is not None:
        check_tensor("root", root, (d, d), like=x0)
        check_finite("root", root)
    with torch.no_grad():
        walk = _Walk(_checked(log_density, x0), x0, root, generator)
        with trusting():
            for k in range(burn_in):
                probability, _ = walk.step(h)
                h *= float(torch.exp((probability.mean() - BEST_ACCEPTANCE) * min(1.0, 10.0 / (k + 1) ** 0.7)))
            kept, accepted = [], torch.zeros(len(x0), device=x0.device)
            for k in range(n):
                accepted += walk.step(h)[1]
                if (k + 1) % thin == 0:
                    kept.append(walk.x)
    samples = torch.stack(kept).reshape(-1, *x0.shape)
    return Chains(
        samples=samples, acceptance=accepted / n, step=h, ess=effective_sample_size(samples), rhat=split_rhat(samples),
        last=samples[-1] if n % thin == 0 else walk.x.reshape(x0.shape), seconds=time.perf_counter() - started,
    )  # fmt: skip


def _checked(log_density: Callable, x0: Tensor) -> Callable:
    """The density on (C, d), after a look at what it gives."""
    found = log_density(x0)
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise TypeError(f"'log_density' must give values and gradients, got {type(found).__name__}")
    for name, value, shape in (("values", found[0], x0.shape[:1]), ("gradients", found[1], x0.shape)):
        if not isinstance(value, Tensor) or value.shape != shape:
            came = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"'log_density' must give {name} of shape {tuple(shape)}, got {came}")
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"'log_density' must be finite at 'x0', got {name} that are not")

    def flat(x: Tensor) -> tuple[Tensor, Tensor]:
        value, grad = log_density(x.reshape(x0.shape))
        return value, grad.flatten(1)

    return flat


class _Walk:
    """The state of the chains: images x, (C, d), with log p and the gradient by u."""

    def __init__(self, density: Callable, x0: Tensor, root: Tensor | None, generator: torch.Generator) -> None:
        self.density, self.root, self.generator = density, root, generator
        self.x = x0.flatten(1)
        self.value, self.grad = self._at(self.x)

    def _at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value, grad = self.density(x)
        return value, grad if self.root is None else grad @ self.root

    def step(self, h: float) -> tuple[Tensor, Tensor]:
        """One step of every chain: the probabilities of acceptance, and what was accepted."""
        white = torch.randn(
            self.x.shape, generator=self.generator, device=self.generator.device, dtype=self.x.dtype
        ).to(self.x.device)
        u = torch.rand(len(self.x), generator=self.generator, device=self.generator.device).to(self.x)
        move = h**2 / 2 * self.grad + h * white
        x = self.x + (move if self.root is None else move @ self.root.T)
        value, grad = self._at(x)
        back = white + h / 2 * (self.grad + grad)  # minus the random step that leads back
        log_ratio = value - self.value + (white.pow(2) - back.pow(2)).sum(1) / 2
        probability = log_ratio.clamp_max(0).exp().nan_to_num(nan=0.0)  # what is not finite is refused
        accepted = u < probability
        self.x = torch.where(accepted[:, None], x, self.x)
        self.value = torch.where(accepted, value, self.value)
        self.grad = torch.where(accepted[:, None], grad, self.grad)
        return probability, accepted
