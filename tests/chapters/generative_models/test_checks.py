"""The checks of chapter 03 accept right answers and refuse typical wrong ones with a line that helps."""

import pytest
import torch
from registry import seeded, tiny

from course_utils.chapters.generative_models import checks

G = tiny("vae", dtype=torch.float32)
X, Z = torch.rand(6, 1, 28, 28, generator=seeded()), torch.randn(6, 3, generator=seeded(1))
ERROR = (G(Z) - X).detach()
MSE = ERROR.pow(2).mean()

# Exercise 1: the rho that the errors ask for.


def test_rho_accepts():
    assert checks.likeliest_rho(MSE.sqrt(), G, X, Z)
    assert checks.likeliest_rho(float(MSE) ** 0.5, G, X, Z)


@pytest.mark.parametrize(
    ("rho", "hint"),
    [
        (MSE, "take the root"),
        (ERROR.pow(2).flatten(1).sum(1).mean().sqrt(), "divide by it"),
        (ERROR.abs().mean(), "wants squares"),
        (0.158, "rho of training"),
        ((MSE / 2).sqrt(), "drops out"),
        (None, "placeholder"),
    ],
)
def test_rho_refuses(rho, hint):
    if rho == 0.158:
        rho = G.config.rho
    verdict = checks.likeliest_rho(rho, G, X, Z)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 2: the reparametrised gradient.


def reparametrised(grad_f, mean, log_std, e, at="draws", factor="e std", reduce="mean"):
    std = log_std.exp()
    z = {"draws": mean + std * e, "mean": mean.expand(len(e), -1), "log": mean + log_std * e}[at]
    g = grad_f(z)
    by_log_std = {"e std": g * e * std, "e": g * e, "std": g * std, "log": g * log_std * e}[factor]
    if reduce == "product":
        return g.mean(0), g.mean(0) * (std * e).mean(0)
    return getattr(g, reduce)(0), getattr(by_log_std, reduce)(0)


def variant(**settings):
    return lambda *arguments: reparametrised(*arguments, **settings)


def test_gradient_accepts():
    assert checks.reparametrised_gradient(reparametrised)
    assert checks.reparametrised_gradient(lambda *arguments: list(reparametrised(*arguments)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (variant(reduce="sum"), "do not add them up"),
        (variant(at="mean"), "belongs at the draws"),
        (variant(at="log"), "the standard deviation is exp(log_std)"),
        (variant(factor="e"), "brings a factor std"),
        (variant(factor="std"), "the factor e is missing"),
        (variant(factor="log"), "not log_std"),
        (variant(reduce="product"), "correlated"),
        (lambda *arguments: reparametrised(*arguments)[0], "return two tensors"),
        (lambda *arguments: (reparametrised(*arguments)[0], ...), "placeholder"),
        (lambda grad_f: None, "raised TypeError"),
    ],
)
def test_gradient_refuses(answer, hint):
    verdict = checks.reparametrised_gradient(answer)
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 3: the gradient penalty.


def penalty(critic, x, norm=lambda g: g.flatten(1).norm(dim=1), deviation=lambda n: (n - 1).pow(2), graph=True):
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=graph)
    return deviation(norm(g)).mean()


def test_penalty_accepts():
    assert checks.critic_penalty(penalty)
    assert checks.critic_penalty(lambda c, x: penalty(c, x, norm=lambda g: g.pow(2).sum((1, 2, 3)).sqrt()))


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"norm": lambda g: g.norm(dim=2)}, "rows of one column"),
        ({"norm": lambda g: g.norm(dim=3)}, "columns of one row"),
        ({"norm": lambda g: g.norm(dim=1)}, "channel axis"),
        ({"norm": lambda g: g.norm()}, "whole batch"),
        ({"norm": lambda g: g.flatten(1).norm(dim=1).pow(2)}, "squared before 1 was subtracted"),
        ({"deviation": lambda n: (n - 1).abs()}, "the square is missing"),
        ({"graph": False}, "create_graph=True"),
    ],
)
def test_penalty_refuses(settings, hint):
    verdict = checks.critic_penalty(lambda critic, x: penalty(critic, x, **settings))
    assert not verdict
    assert hint in verdict.message, verdict.message


# Exercise 4: collapse of a linear VAE.


def test_collapse_accepts():
    assert checks.active_latents(lambda variances, rho, d: (variances[:d] > rho**2).sum())
    assert checks.active_latents(lambda variances, rho, d: min(d, int((variances > rho * rho).sum())))


@pytest.mark.parametrize(
    ("count", "hint"),
    [
        (lambda v, rho, d: d, "no coordinate collapses"),
        (lambda v, rho, d: (v[:d] > rho).sum(), "compare the variances with rho^2"),
        (lambda v, rho, d: (v > rho**2).sum(), "only d coordinates"),
        (lambda v, rho, d: (v[:d] < rho**2).sum(), "ABOVE"),
        (lambda v, rho, d: (v[:d] > 2 * rho**2).sum(), "factor 2"),
        (lambda v, rho, d: ..., "placeholder"),
        (lambda v, rho, d: "many", "return one number"),
    ],
)
def test_collapse_refuses(count, hint):
    verdict = checks.active_latents(count)
    assert not verdict
    assert hint in verdict.message, verdict.message
