"""The checks of chapter 03 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import numpy as np
import torch
from chapter_tools import answer_tests, asked
from registry import seeded, tiny

from course_utils.chapters.generative_models import checks

G = tiny("vae", dtype=torch.float32)
# Images of unequal brightness: then the mean of the roots is not the root of the mean.
X = torch.rand(6, 1, 28, 28, generator=seeded()) * torch.linspace(0.2, 2, 6).reshape(-1, 1, 1, 1)
Z = torch.randn(6, 3, generator=seeded(1))
ERROR = (G(Z) - X).detach()
SQUARE = ERROR.pow(2).flatten(1)
MSE = SQUARE.mean()

ASK = {
    "likeliest_rho": lambda rho: checks.likeliest_rho(rho, G, X, Z),
    "reparametrised_gradient": checks.reparametrised_gradient,
    "critic_penalty": checks.critic_penalty,
    "active_latents": checks.active_latents,
    "noisy_emd": checks.noisy_emd,
    "largest_image": checks.largest_image,
    "bound_gap": checks.bound_gap,
}


def reparametrised(grad_f, mean, log_std, e, at="draws", factor="e std", reduce="mean"):
    std = log_std.exp()
    z = {
        "draws": mean + std * e,
        "mean": mean.expand(len(e), -1),
        "log": mean + log_std * e,
        "e": e,
        "no std": mean + e,
        "variance": mean + std**2 * e,
        "half": mean + (log_std / 2).exp() * e,
    }[at]
    g = grad_f(z)
    by_log_std = {"e std": g * e * std, "e": g * e, "std": g * std, "log": g * log_std * e, "z": g * z}[factor]
    if reduce == "product":
        return g.mean(0), g.mean(0) * (std * e).mean(0)
    if reduce == "none":
        return g, by_log_std
    return getattr(g, reduce)(0), getattr(by_log_std, reduce)(0)


def variant(**settings):
    return lambda *arguments: reparametrised(*arguments, **settings)


def draw_by_draw(grad_f, mean, log_std, e):
    by_mean, by_log_std = torch.zeros_like(mean), torch.zeros_like(mean)
    for one in e:
        g = grad_f((mean + log_std.exp() * one)[None])[0]
        by_mean += g / len(e)
        by_log_std += g * log_std.exp() * one / len(e)
    return by_mean, by_log_std


def gradients(critic, x, graph=True):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(critic(x).sum(), x, create_graph=graph)[0]


def norms(g):
    return g.flatten(1).norm(dim=1)


def penalty(norm=norms, value=lambda n: (n - 1).pow(2).mean(), graph=True):
    return lambda critic, x: value(norm(gradients(critic, x, graph)))


def side(bytes_each=16, power=4, up=0):
    def largest(memory, maps):
        n = 1
        while bytes_each * (maps * (n + 1) ** power + (n + 1) ** 2) <= memory:
            n += 1
        return n + up

    return largest


def by_the_root(memory, maps):
    """n^2 solves a quadratic equation."""
    square = (-1 + np.sqrt(1 + 4 * maps * memory / 16)) / (2 * maps)
    return int(np.floor(np.sqrt(square)))


def log_normal(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def gap_by_quadrature(mean, std, x, w, rho):
    """log p_G(x) minus the ELBO, both as they are defined."""
    z = np.linspace(mean - 12 * std, mean + 12 * std, 20_001)
    q = np.exp(log_normal(z, mean, std))
    elbo = np.trapezoid(q * (log_normal(x, w * z, rho) + log_normal(z, 0, 1) - log_normal(z, mean, std)), z)
    return log_normal(x, 0, np.hypot(w, rho)) - elbo


def gap(mean, std, x, w, rho, prior=True, log=True, half=0.5, swap=False):
    m, s = (w * x / (w**2 + rho**2), rho / np.hypot(w, rho)) if prior else (x / w, rho / w)
    if swap:
        mean, std, m, s = m, s, mean, std
    return log * np.log(s / std) + (std**2 + (mean - m) ** 2) / (2 * s**2) - half


def gap_with(**settings):
    return lambda *case: gap(*case, **settings)


RIGHT = {
    "likeliest_rho": [MSE.sqrt(), float(MSE) ** 0.5, MSE.sqrt().numpy(), SQUARE.double().mean().sqrt(), [MSE.sqrt()]],
    "reparametrised_gradient": [
        reparametrised,
        draw_by_draw,
        lambda *a: list(reparametrised(*a)),
        lambda *a: torch.stack(reparametrised(*a)),
        lambda *a: tuple(part.numpy() for part in reparametrised(*a)),
        lambda *a: tuple(part.float() for part in reparametrised(*a)),
        lambda *a: [part.tolist() for part in reparametrised(*a)],
    ],
    "critic_penalty": [
        penalty(),
        penalty(norm=lambda g: g.pow(2).sum((1, 2, 3)).sqrt()),
        lambda c, x: sum((g.norm() - 1) ** 2 for g in gradients(c, x)) / len(x),
        penalty(norm=lambda g: torch.linalg.vector_norm(g, dim=(1, 2, 3))),
        penalty(value=lambda n: (n - 1).pow(2).mean().reshape(1)),
    ],
    "active_latents": [
        lambda v, rho, d: (v[:d] > rho**2).sum(),
        lambda v, rho, d: min(d, int((v > rho * rho).sum())),
        lambda v, rho, d: np.sum(v.numpy()[:d] > rho**2),
        lambda v, rho, d: sum(1 for value in v[:d].tolist() if value > rho**2),
        lambda v, rho, d: torch.count_nonzero((v[:d] - rho**2).clamp_min(0)).reshape(1),
    ],
    "noisy_emd": [
        lambda emd, tau, n: emd + n * tau**2,
        lambda emd, tau, n: np.float64(emd) + (tau * n**0.5) ** 2,
        lambda emd, tau, n: torch.tensor(emd + n * tau**2, dtype=torch.float64),
    ],
    "largest_image": [side(), by_the_root, lambda memory, maps: torch.tensor(side()(memory, maps))],
    "bound_gap": [
        gap,
        gap_by_quadrature,
        lambda *case: torch.tensor(gap(*case), dtype=torch.float64),
        lambda mean, std, x, w, rho: float(
            torch.distributions.kl_divergence(
                torch.distributions.Normal(torch.tensor(mean).double(), torch.tensor(std).double()),
                torch.distributions.Normal(
                    torch.tensor(w * x / (w**2 + rho**2)).double(), torch.tensor(rho / np.hypot(w, rho)).double()
                ),
            )
        ),
    ],
}
WRONG = {
    "likeliest_rho": [
        (MSE, "take the root"),
        (SQUARE.sum(1).mean().sqrt(), "divide by it"),
        (SQUARE.mean(1).sqrt().mean(), "one root per image"),
        (ERROR.abs().mean(), "wants squares"),
        (G.config.rho, "rho of training"),
        ((MSE / 2).sqrt(), "drops out"),
        ((2 * MSE).sqrt(), "no factor 2 is left"),
        (SQUARE.mean(1).sqrt(), "shape"),
        (2.0, "too large"),
        (None, "placeholder"),
    ],
    "reparametrised_gradient": [
        (variant(reduce="sum"), "do not add them up"),
        (variant(reduce="none"), "average them"),
        (variant(at="mean"), "belongs at the draws"),
        (variant(at="log"), "the standard deviation is exp(log_std)"),
        (variant(at="no std"), "the standard deviation is missing"),
        (variant(at="variance"), "not by the variance"),
        (variant(at="half"), "log_std is not the logarithm of the variance"),
        (variant(at="e"), "the mean is missing"),
        (variant(factor="e"), "brings a factor std"),
        (variant(factor="std"), "the factor e is missing"),
        (variant(factor="log"), "not log_std"),
        (variant(factor="z"), "you took z itself"),
        (variant(reduce="product"), "correlated"),
        (lambda *a: reparametrised(*a)[::-1], "changed places"),
        (lambda *a: 2 * (reparametrised(*a)[0],), "once more"),
        (lambda *a: reparametrised(*a)[0], "return two tensors"),
        (lambda *a: (reparametrised(*a)[0], ...), "placeholder"),
        (lambda *a: (reparametrised(*a)[0], -reparametrised(*a)[1]), "only the sign"),
        (lambda grad_f: None, "raised TypeError"),
    ],
    "critic_penalty": [
        (penalty(norm=lambda g: g.norm(dim=2)), "rows of one column"),
        (penalty(norm=lambda g: g.norm(dim=3)), "columns of one row"),
        (penalty(norm=lambda g: g.norm(dim=1)), "channel axis"),
        (penalty(norm=lambda g: g.norm(dim=0)), "over the batch"),
        (penalty(norm=lambda g: g.norm()), "whole batch"),
        (penalty(norm=lambda g: norms(g).pow(2)), "squared before 1 was subtracted"),
        (penalty(norm=lambda g: g.flatten(1).abs().sum(1)), "the 2-norm is wanted"),
        (penalty(value=lambda n: (n - 1).abs().mean()), "the square is missing"),
        (penalty(value=lambda n: (n - 1).pow(2).sum()), "not the sum"),
        (penalty(value=lambda n: (n - 1).mean().pow(2)), "before the mean"),
        (penalty(value=lambda n: n.pow(2).mean()), "subtract 1"),
        (penalty(value=lambda n: (n - 1).pow(2)), "take their mean"),
        (penalty(value=lambda n: 0.5 * (n - 1).pow(2).mean()), "half of"),
        (penalty(graph=False), "create_graph=True"),
        (lambda c, x: float(penalty()(c, x).detach()), "create_graph=True"),
    ],
    "active_latents": [
        (lambda v, rho, d: d, "no coordinate collapses"),
        (lambda v, rho, d: (v[:d] > rho).sum(), "compare the variances with rho^2"),
        (lambda v, rho, d: (v > rho**2).sum(), "only d coordinates"),
        (lambda v, rho, d: (v[:d] < rho**2).sum(), "ABOVE"),
        (lambda v, rho, d: (v[:d] > 2 * rho**2).sum(), "factor 2"),
        (lambda v, rho, d: (v[:d] ** 2 > rho**2).sum(), "compare the variances with rho^2"),
        (lambda v, rho, d: d - (v[:d] > rho**2).sum(), "ABOVE"),
        (lambda v, rho, d: v[:d] > rho**2, "one number"),
        (lambda v, rho, d: 8, "your answer is 8"),
        (lambda v, rho, d: ..., "placeholder"),
        (lambda v, rho, d: "many", "must be a number"),
        (lambda v, rho, d: v.sub_(rho**2).gt(0)[:d].sum(), "in place"),
    ],
    "noisy_emd": [
        (lambda emd, tau, n: emd + tau**2, "a sum over n pixels"),
        (lambda emd, tau, n: emd + n * tau, "the variance tau^2"),
        (lambda emd, tau, n: emd + 2 * n * tau**2, "only one of the two"),
        (lambda emd, tau, n: (emd**0.5 + n**0.5 * tau) ** 2, "lengths do not add up"),
        (lambda emd, tau, n: emd, "does not stay"),
        (lambda emd, tau, n: n * tau**2, "the old EMD stays"),
        (lambda emd, tau, n: (emd + n * tau**2) ** 0.5, "no root"),
        (lambda emd, tau, n: emd - n * tau**2, "larger, not smaller"),
        (lambda emd, tau, n: emd * (1 + n * tau**2), "does not multiply"),
        (lambda emd, tau, n: emd + n**0.5 * tau, "one root too many"),
        (lambda emd, tau, n: None, "still empty"),
    ],
    "largest_image": [
        (side(bytes_each=4), "training needs 16"),
        (side(bytes_each=12), "12 bytes"),
        (side(bytes_each=8), "8 bytes"),
        (side(power=2), "grows like n^4"),
        (side(bytes_each=1), "bytes, not weights"),
        (side(up=1), "round down"),
        (lambda memory, maps: side()(memory, maps) ** 2, "the number of pixels"),
        (lambda memory, maps: (memory / (16 * maps)) ** 0.25, "a whole number"),
        (lambda memory, maps: 56, "the side n is 56"),
    ],
    "bound_gap": [
        (lambda mean, std, x, w, rho: -np.log(std) + (std**2 + mean**2) / 2 - 0.5, "from the prior"),
        (gap_with(swap=True), "changed places"),
        (gap_with(prior=False), "forgets the prior"),
        (gap_with(log=False), "the logarithm"),
        (gap_with(half=0.0), "the -1/2 is missing"),
        (lambda *case: -gap(*case), "sign"),
        (lambda *case: 2 * gap(*case), "twice"),
        (lambda mean, std, x, w, rho: 0.0, "the gap"),
        (lambda *case: ..., "placeholder"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG, values=("likeliest_rho",)
)


def test_no_message_tells_rho():
    """The right value must not be read off a message about a wrong one."""
    for wrong in (0.1, 0.9, 3.0):
        message = asked(ASK["likeliest_rho"], wrong).message
        for word in message.replace(",", " ").split():
            if word.replace(".", "", 1).isdigit():
                assert not asked(ASK["likeliest_rho"], float(word)), message
