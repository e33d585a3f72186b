"""Checks of the exercises of chapter 03: rho, the reparametrised gradient, the gradient penalty, collapse."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...checks import Verdict, attempt, compare, not_yet, right
from ...generators import VAE

__all__ = ["active_latents", "critic_penalty", "likeliest_rho", "reparametrised_gradient"]


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
            "this is the mean absolute error: the Gaussian wants squares": square.sqrt().mean(),
            "this is the rho of training, a choice; the question is which one the errors support": G.config.rho,
            "the factor 1/2 stands before both terms, so it drops out": (mse / 2).sqrt(),
            "the factor 1/2 stands before both terms, so no factor 2 is left": (2 * mse).sqrt(),
        },
    )


def _bumpy(z: Tensor) -> Tensor:
    """A smooth function of the plane without symmetries: (B, 2) -> (B,)."""
    return (1.3 * z[:, 0]).sin() * z[:, 1] + 0.5 * z[:, 0] ** 2 * (0.4 * z[:, 1]).exp()


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
    e = torch.randn(64, 2, generator=generator, dtype=torch.float64)
    mean = torch.tensor([0.4, -0.7], dtype=torch.float64)
    log_std = torch.tensor([-0.5, 0.3], dtype=torch.float64)

    def grad_f(z: Tensor) -> Tensor:
        z = z.detach().requires_grad_()
        with torch.enable_grad():
            (g,) = torch.autograd.grad(_bumpy(z).sum(), z)
        return g

    m, s = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
    by_mean, by_log_std = torch.autograd.grad(_bumpy(m + s.exp() * e).mean(), (m, s))
    found, problem = attempt(gradient, grad_f, mean.clone(), log_std.clone(), e.clone())
    if problem is not None:
        return problem
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        return not_yet(f"return two tensors, by mean and by log_std; got {type(found).__name__}")
    g, at_mean = grad_f(mean + log_std.exp() * e), grad_f(mean.expand(64, 2))
    std, n = log_std.exp(), len(e)
    mistakes = {
        "average over the draws, do not add them up": n * by_mean,
        "grad_f was taken at the mean: it belongs at the draws z = mean + std e": at_mean.mean(0),
        "grad_f was taken at mean + log_std e: the standard deviation is exp(log_std)": grad_f(mean + log_std * e).mean(
            0
        ),
        "grad_f was taken at mean + e: the standard deviation is missing": grad_f(mean + e).mean(0),
    }
    if not _agrees(found[0], by_mean):
        return compare(found[0], by_mean, "the derivative with respect to mean", mistakes=mistakes)
    mistakes = {
        "average over the draws, do not add them up": n * by_log_std,
        "this is the derivative with respect to std: by the chain rule, log_std brings a factor std": (g * e).mean(0),
        "the factor e is missing: it is the inner derivative of mean + std e": (g * std).mean(0),
        "mean over the product, not product of the means: e and grad_f(z) are correlated": g.mean(0)
        * (std * e).mean(0),
        "the factor is std, not log_std": (g * log_std * e).mean(0),
        "this is the derivative with respect to mean once more": by_mean,
    }
    return compare(found[1], by_log_std, "the derivative with respect to log_std", mistakes=mistakes)


def _agrees(found, expected: Tensor) -> bool:
    try:
        value = torch.as_tensor(found).detach().double()
    except (TypeError, ValueError, RuntimeError):
        return False
    return value.shape == expected.shape and torch.allclose(value, expected, rtol=1e-5, atol=1e-8)


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
    direction = torch.randn(1, 1, 6, 5, generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    steepness = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(4, 1, 6, 5, generator=generator, dtype=torch.float64)

    def critic(x: Tensor) -> Tensor:
        score = (x * direction).flatten(1).sum(1)
        return steepness * (score + 0.3 * score.pow(2))  # a gradient that differs from image to image

    found, problem = attempt(penalty, critic, x.clone())
    if problem is not None:
        return problem
    point = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(critic(point).sum(), point)
    norms = g.flatten(1).norm(dim=1)
    expected = (norms - 1).pow(2).mean()
    verdict = compare(
        found,
        expected,
        "the penalty",
        mistakes={
            "that norm runs over the rows of one column: each of the W columns is pushed to slope 1, so the whole "
            "image to the root of W": (g.norm(dim=2) - 1).pow(2).mean(),
            "that norm runs over the columns of one row: each of the H rows is pushed to slope 1": (g.norm(dim=3) - 1)
            .pow(2)
            .mean(),
            "that norm runs over the channel axis: every pixel is pushed to slope 1": (g.norm(dim=1) - 1).pow(2).mean(),
            "that norm runs over the batch: each image needs its own": (g.norm(dim=0) - 1).pow(2).mean(),
            "that is one norm for the whole batch: each image needs its own": (g.norm() - 1).pow(2),
            "the norm got squared before 1 was subtracted": (norms.pow(2) - 1).pow(2).mean(),
            "the square is missing": (norms - 1).abs().mean(),
            "take the mean over the images, not the sum": (norms - 1).pow(2).sum(),
            "square each deviation before the mean, not after": (norms - 1).mean().pow(2),
        },
    )
    if not verdict:
        return verdict
    if not isinstance(found, Tensor) or not found.requires_grad:
        return not_yet("the value is right, but no gradient flows to the critic: create_graph=True is needed")
    return verdict


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
    answers = [int((variances[:d] > rho**2).sum()) for rho, d in settings]
    hints = {
        "compare the variances with rho^2, not with rho": lambda v, rho, d: int((v[:d] > rho).sum()),
        "there are only d coordinates to begin with": lambda v, rho, d: int((v > rho**2).sum()),
        "no coordinate collapses in your answer, whatever rho": lambda v, rho, d: d,
        "a coordinate lives if its variance is ABOVE rho^2": lambda v, rho, d: int((v[:d] < rho**2).sum()),
        "the factor 2 of k = 2 rho^2 does not enter here": lambda v, rho, d: int((v[:d] > 2 * rho**2).sum()),
    }
    found = []
    for rho, d in settings:
        value, problem = attempt(count, variances.clone(), rho, d)
        if problem is not None:
            return problem
        if value is None or value is Ellipsis:
            return not_yet("the number of active coordinates is still empty: replace the placeholder")
        try:
            found.append(float(value))
        except (TypeError, ValueError, RuntimeError):
            return not_yet(f"return one number, got {type(value).__name__}")
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
