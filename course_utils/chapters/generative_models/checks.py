"""Checks of the exercises of chapter 03: rho, the reparametrised gradient, the gradient penalty, collapse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, as_numbers, call, compare, examine, judge, not_yet, number, right
from ...generators import VAE
from .collapse import coordinates_that_pay
from .number_checks import bound_gap, largest_image, noisy_emd

__all__ = [
    "active_latents", "bound_gap", "critic_penalty", "largest_image", "likeliest_rho", "noisy_emd",
    "reparametrised_gradient",
]  # fmt: skip


@torch.no_grad()
def likeliest_rho(rho: float, G: VAE, x: Tensor, z: Tensor) -> Verdict:
    """Is ``rho`` the one that minimises ||x - G(z)||^2 / (2 rho^2) + n/2 log(2 pi rho^2), averaged over the images?

    Parameters
    ----------
    rho : float
        The answer.
    G : VAE
    x : (B, 1, H, W) tensor
    z : (B, d) tensor
        The latent vector that belongs to each image.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig, build
    >>> G, x, z = build(GeneratorConfig("vae", 2), seed=0), torch.zeros(1, 1, 28, 28), torch.zeros(1, 2)
    >>> bool(likeliest_rho((G(z) - x).detach().pow(2).mean().sqrt(), G, x, z))
    ✓ Right: rho agrees...
    True
    """
    square = (G(z) - x).double().pow(2)
    mse = square.mean()
    return compare(
        rho,
        mse.sqrt(),
        "rho",
        rtol=1e-3,
        mistakes={
            "this is rho^2: take the root": mse,
            "this is the root of the sum over the pixels: n counts the pixels, so divide by it": square.flatten(1)
            .sum(1)
            .mean()
            .sqrt(),
            "this is a mean of one root per image: average the squares over all images, then take the root": (
                square.flatten(1).mean(1).sqrt().mean()
            ),
            "this is the mean absolute error: the Gaussian wants squares": square.sqrt().mean(),
            "this is the rho of training, a choice; the question is which one the errors support": G.config.rho,
            "the factor 1/2 stands before both terms, so it drops out": (mse / 2).sqrt(),
            "the factor 1/2 stands before both terms, so no factor 2 is left": (2 * mse).sqrt(),
        },
    )


def _bumpy(z: Tensor) -> Tensor:
    """A smooth function without symmetries: (B, d) -> (B,), d > 1."""
    plane = (1.3 * z[:, 0]).sin() * z[:, 1] + 0.5 * z[:, 0] ** 2 * (0.4 * z[:, 1]).exp()
    return plane + 0.7 * (z[:, 2:] * z[:, :1]).cos().sum(1)


def reparametrised_gradient(gradient: Callable) -> Verdict:
    """Does ``gradient(grad_f, mean, log_std, e)`` give the gradient of E f(z) that the draws e estimate?

    Parameters
    ----------
    gradient : callable
        ``grad_f`` maps (B, d) latent vectors to the gradients of f there, (B, d); mean and log_std are (d,);
        e is (B, d), draws from N(0, I).  Returns two (d,) tensors: the derivatives with respect to mean and log_std of
        the mean of f(mean + exp(log_std) e) over the B draws.

    Example
    -------
    >>> def gradient(grad_f, mean, log_std, e):
    ...     g = grad_f(mean + log_std.exp() * e)
    ...     return g.mean(0), (g * log_std.exp() * e).mean(0)
    >>> bool(reparametrised_gradient(gradient))
    ✓ Right: the derivative with respect to log_std agrees...
    True
    """
    generator = torch.Generator().manual_seed(3)
    cases = []
    for d, n in ((2, 64), (3, 50)):
        e = torch.randn(n, d, generator=generator, dtype=torch.float64)
        mean = torch.tensor([0.4, -0.7, 0.2], dtype=torch.float64)[:d]
        log_std = torch.tensor([-0.5, 0.3, 0.1], dtype=torch.float64)[:d]
        cases.append((_slope, mean, log_std, e))
    found, problem = call(gradient, cases, ["grad_f", "mean", "log_std", "e"])
    if problem is not None:
        return problem
    for answer, (_, mean, _, _) in zip(found, cases, strict=True):
        if answer is None or answer is Ellipsis:
            return not_yet("the gradients are still empty: return two tensors, by mean and by log_std")
        stacked = as_numbers(answer) if isinstance(answer, Tensor) else None
        pair = isinstance(answer, (tuple, list)) or (stacked is not None and stacked.ndim == 2)
        if not pair or len(answer) != 2:
            got = f"a tensor of shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            return not_yet(f"return two tensors, by mean and by log_std, each of shape {tuple(mean.shape)}; got {got}")

    def by(value: Callable) -> list[Tensor]:
        """What a formula of (g, e, mean, log_std, std), with g at the draws, gives for the cases."""
        return [
            value(grad_f(mean + log_std.exp() * e), e, mean, log_std, log_std.exp())
            for grad_f, mean, log_std, e in cases
        ]

    by_mean = by(lambda g, e, m, s, std: g.mean(0))
    by_log_std = by(lambda g, e, m, s, std: (g * std * e).mean(0))
    ok, message = judge(
        [answer[0] for answer in found],
        by_mean,
        "the derivative with respect to mean",
        mistakes={
            "average over the draws, do not add them up": by(lambda g, e, m, s, std: g.sum(0)),
            "grad_f was taken at the mean: it belongs at the draws z = mean + std e": by(
                lambda g, e, m, s, std: _slope(m.expand(e.shape)).mean(0)
            ),
            "grad_f was taken at mean + log_std e: the standard deviation is exp(log_std)": by(
                lambda g, e, m, s, std: _slope(m + s * e).mean(0)
            ),
            "grad_f was taken at mean + e: the standard deviation is missing": by(
                lambda g, e, m, s, std: _slope(m + e).mean(0)
            ),
            "grad_f was taken at mean + std^2 e: the draws are scaled by std, not by the variance": by(
                lambda g, e, m, s, std: _slope(m + std**2 * e).mean(0)
            ),
            "grad_f was taken at mean + exp(log_std / 2) e: log_std is not the logarithm of the variance": by(
                lambda g, e, m, s, std: _slope(m + std.sqrt() * e).mean(0)
            ),
            "grad_f was taken at e: the mean is missing": by(lambda g, e, m, s, std: _slope(e).mean(0)),
            "the two have changed places: the derivative with respect to mean comes first": by_log_std,
            "one gradient for each draw: average them": by(lambda g, e, m, s, std: g),
        },
    )
    if not ok:
        return not_yet(message)
    return Verdict(
        *judge(
            [answer[1] for answer in found],
            by_log_std,
            "the derivative with respect to log_std",
            mistakes={
                "average over the draws, do not add them up": by(lambda g, e, m, s, std: (g * std * e).sum(0)),
                "this is the derivative with respect to std: by the chain rule, log_std brings a factor std": by(
                    lambda g, e, m, s, std: (g * e).mean(0)
                ),
                "the factor e is missing: it is the inner derivative of mean + std e": by(
                    lambda g, e, m, s, std: (g * std).mean(0)
                ),
                "mean over the product, not product of the means: e and grad_f(z) are correlated": by(
                    lambda g, e, m, s, std: g.mean(0) * (std * e).mean(0)
                ),
                "the factor is std, not log_std": by(lambda g, e, m, s, std: (g * s * e).mean(0)),
                "z has the derivative std e; you took z itself": by(
                    lambda g, e, m, s, std: (g * (m + std * e)).mean(0)
                ),
                "this is the derivative with respect to mean once more": by_mean,
            },
        )
    )


def _slope(z: Tensor) -> Tensor:
    """The gradients of ``_bumpy``, (B, d)."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        (g,) = torch.autograd.grad(_bumpy(z).sum(), z)
    return g


def critic_penalty(penalty: Callable) -> Verdict:
    """Is ``penalty(critic, x)`` the mean over the images of (||grad D(x)||_2 - 1)^2, with the norm of a whole image?

    Parameters
    ----------
    penalty : callable
        A critic (B, 1, H, W) -> (B,) and points x (B, 1, H, W) -> number; differentiable, since the critic
        learns from it.

    Example
    -------
    >>> def penalty(critic, x):
    ...     x = x.detach().requires_grad_()
    ...     (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    ...     return (g.flatten(1).norm(dim=1) - 1).pow(2).mean()
    >>> bool(critic_penalty(penalty))
    ✓ Right: the penalty agrees...
    True
    """
    generator = torch.Generator().manual_seed(4)
    steepness = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)

    def case(n: int, h: int, w: int) -> tuple[Callable, Tensor]:
        direction = torch.randn(1, 1, h, w, generator=generator, dtype=torch.float64)
        direction /= direction.norm()

        def critic(x: Tensor) -> Tensor:
            score = (x * direction).flatten(1).sum(1)
            return steepness * (score + 0.3 * score.pow(2))  # a gradient that differs from image to image

        return critic, torch.randn(n, 1, h, w, generator=generator, dtype=torch.float64)

    def of(formula: Callable[[Tensor], Tensor]) -> Callable:
        """A formula of the gradients (B, 1, H, W) as a function of critic and x."""

        def value(critic: Callable, x: Tensor) -> Tensor:
            point = x.clone().requires_grad_()
            return formula(torch.autograd.grad(critic(point).sum(), point)[0].detach())

        return value

    def norms(g: Tensor) -> Tensor:
        return g.flatten(1).norm(dim=1)

    solution = of(lambda g: (norms(g) - 1).pow(2).mean())

    def flows(found: list) -> str:
        for value in found:
            part = (None,)
            if isinstance(value, Tensor) and value.requires_grad:
                part = torch.autograd.grad(value.sum(), steepness, allow_unused=True)
            if part[0] is None:
                return "the value is right, but no gradient flows to the critic: create_graph=True is needed"
        return ""

    return examine(
        penalty,
        [case(4, 6, 5), case(3, 4, 7)],
        lambda critic, x: solution(critic, x),
        "the penalty",
        mistakes={
            "that norm runs over the rows of one column: each of the W columns is pushed to slope 1, so the whole "
            "image to the root of W": of(lambda g: (g.norm(dim=2) - 1).pow(2).mean()),
            "that norm runs over the columns of one row: each of the H rows is pushed to slope 1": of(
                lambda g: (g.norm(dim=3) - 1).pow(2).mean()
            ),
            "that norm runs over the channel axis: every pixel is pushed to slope 1": of(
                lambda g: (g.norm(dim=1) - 1).pow(2).mean()
            ),
            "that norm runs over the batch: each image needs its own": of(lambda g: (g.norm(dim=0) - 1).pow(2).mean()),
            "that is one norm for the whole batch: each image needs its own": of(lambda g: (g.norm() - 1).pow(2)),
            "the norm got squared before 1 was subtracted": of(lambda g: (norms(g).pow(2) - 1).pow(2).mean()),
            "the square is missing": of(lambda g: (norms(g) - 1).abs().mean()),
            "take the mean over the images, not the sum": of(lambda g: (norms(g) - 1).pow(2).sum()),
            "square each deviation before the mean, not after": of(lambda g: (norms(g) - 1).mean().pow(2)),
            "this is the mean squared norm: subtract 1 from the norm": of(lambda g: norms(g).pow(2).mean()),
            "this is the sum of the absolute values of an image's gradient; the 2-norm is wanted": of(
                lambda g: (g.flatten(1).abs().sum(1) - 1).pow(2).mean()
            ),
            "one value for each image: take their mean": of(lambda g: (norms(g) - 1).pow(2)),
        },
        also=flows,
    )


def active_latents(count: Callable) -> Verdict:
    """Does ``count(variances, rho, d)`` say how many latent coordinates of a linear VAE stay in use?

    Parameters
    ----------
    count : callable
        Eigenvalues of the data covariance (n,), falling; the noise level rho; the latent dimension d -> int.

    Example
    -------
    >>> bool(active_latents(lambda variances, rho, d: int((variances[:d] > rho**2).sum())))
    ✓ Right: the number of active coordinates agrees in 7 settings, from 0 to 8
    True
    """
    variances = torch.tensor([5.2, 3.7, 3.3, 2.8, 2.5, 2.2, 1.7, 1.5, 1.46, 0.9, 0.3, 0.01], dtype=torch.float64)
    settings = [(rho, d) for rho in (0.158, 1.4, 1.6) for d in (8, 4)] + [(3.0, 8)]
    answers = [coordinates_that_pay(variances, rho, d) for rho, d in settings]
    hints = {
        "compare the variances with rho^2, not with rho": lambda v, rho, d: int((v[:d] > rho).sum()),
        "there are only d coordinates to begin with": lambda v, rho, d: int((v > rho**2).sum()),
        "no coordinate collapses in your answer, whatever rho": lambda v, rho, d: d,
        "a coordinate lives if its variance is ABOVE rho^2": lambda v, rho, d: int((v[:d] < rho**2).sum()),
        "the factor 2 of k = 2 rho^2 does not enter here": lambda v, rho, d: int((v[:d] > 2 * rho**2).sum()),
    }
    given, problem = call(count, [(variances, rho, d) for rho, d in settings], ["variances", "rho", "d"])
    if problem is not None:
        return problem
    found = []
    for answer in given:
        value, problem = number(answer, "the number of active coordinates")
        if problem is not None:
            return problem
        found.append(value)
    if found == answers:
        return right(
            f"the number of active coordinates agrees in {len(settings)} settings, "
            f"from {min(answers)} to {max(answers)}"
        )
    k = next(k for k, (a, b) in enumerate(zip(found, answers, strict=True)) if a != b)
    rho, d = settings[k]
    message = f"for rho = {rho} and d = {d} your answer is {found[k]:g}, expected {answers[k]}"
    for hint, wrong in hints.items():
        if found == [wrong(variances, rho, d) for rho, d in settings]:
            return not_yet(f"{message}; {hint}")
    return not_yet(message)
