"""The checks of chapter 05 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import itertools
import math

import numpy as np
import torch
from chapter_tools import answer_tests

from course_utils import L1
from course_utils.chapters.regularisers import checks, judging

# The prox of a norm of patches


def size(u):
    return u.norm(dim=1, keepdim=True)


def patches(u, tau):
    return u * (1 - tau / size(u).clamp_min(tau))


def patch_by_patch(u, tau):
    return torch.stack([row * 0 if row.norm() <= tau else row - tau * row / row.norm() for row in u])


def patches_in_numpy(u, tau):
    v = u.numpy()
    n = np.linalg.norm(v, axis=1, keepdims=True)
    return np.where(n > tau, v * (1 - tau / np.maximum(n, 1e-9)), 0.0)


def change_in_place(u, tau):
    u -= u - patches(u, tau)
    return u


# One step of Algorithm 1


def step(
    f, gradient, z, L, eta0, eta1, ask=lambda g, L: g.pow(2).sum() / (2 * L), relax=True, sign=1, fresh=True, still=None
):
    """Lines 3 to 7 as a student writes them: with ``while``, which may never end."""
    g, value = gradient(z), f(z)
    if not g.any():
        return (still or (lambda z: z))(z), L * eta0
    trial = z - sign * g / L
    while f(trial) >= value - ask(g, L):
        L = L * eta1
        if fresh:
            trial = z - sign * g / L
    return trial, L * eta0 if relax else L


def changed(**settings):
    return lambda *arguments: step(*arguments, **settings)


def no_backtracking(f, gradient, z, L, eta0, eta1):
    return z - gradient(z) / L, L * eta0


def as_printed(f, gradient, z, L, eta0, eta1, strict=False):
    g, value = gradient(z), f(z)
    bound = g.pow(2).sum() / 2
    trial = z - g / L
    while f(trial) > value - bound / L if strict else f(trial) >= value - bound / L:
        L = L * eta1
        trial = z - g / L
    return trial, L * eta0


def longer(f, gradient, z, L, eta0, eta1):
    g = gradient(z)
    while f(z - g / L) >= f(z) - (g**2).sum() / (2 * L):
        L = L / eta1
    return z - g / L, L * eta0


def first_L(f, gradient, z, L, eta0, eta1):
    return step(f, gradient, z, L, eta0, eta1)[0], L * eta0


def counts_nothing(f, gradient, z, L, eta0, eta1):
    """A loop that calls nothing that was handed over."""
    g = gradient(z)
    trial = z - g / L
    while trial.abs().max() < 1e9:
        trial = z - g / L
    return trial, L * eta0


def moves_z_in_place(f, gradient, z, L, eta0, eta1):
    answer = step(f, gradient, z.clone(), L, eta0, eta1)
    z.copy_(answer[0])
    return answer


# What is left of sparse without u


def bent(r, lam, knee=None, factor=1.0):
    knee = lam / 2 if knee is None else knee
    return factor * torch.where(r.abs() <= knee, r**2, 2 * knee * r.abs() - knee**2)


def shrunk(r, lam):
    return r.sign() * (r.abs() - lam / 2).clamp_min(0)


def at_the_best(r, lam):
    u = shrunk(r, lam)
    return (r - u) ** 2 + lam * u.abs()


def on_a_grid(r, lam):
    u = torch.linspace(-8, 8, 160_001, dtype=r.dtype)
    return torch.stack([((v - u) ** 2 + lam * u.abs()).min() for v in r.flatten()]).reshape(r.shape)


# Several starts


def over_sets(f, quality, s, sets=itertools.combinations, by=None):
    values, found = f if by is None else by(f, quality), []
    for row, q in zip(values, quality, strict=True):
        found += [float(q[min(chosen, key=lambda k, row=row: float(row[k]))]) for chosen in sets(range(len(row)), s)]
    return sum(found) / len(found)


def by_rank(f, quality, s):
    S = f.shape[1]
    chances = torch.tensor([math.comb(S - 1 - k, s - 1) / math.comb(S, s) for k in range(S)], dtype=f.dtype)
    return (quality.gather(1, f.argsort(1)) @ chances).mean()


def first_starts(f, quality, s):
    return quality.gather(1, f[:, :s].argmin(1, keepdim=True)).mean()


def with_repeats(items, s):
    return itertools.product(items, repeat=s)


# A residual beside the noise


def excess(squared, m, d, sigma, mean=None, terms=None):
    mean, terms = m - d if mean is None else mean, m - d if terms is None else terms
    return (squared / sigma**2 - mean) / (2 * terms) ** 0.5


# Tuning with few images


def one_by_one(db):
    kept = []
    for i in range(db.shape[1]):
        others = [j for j in range(db.shape[1]) if j != i]
        kept.append(float(db[int(db[:, others].mean(1).argmax()), i]))
    return sum(kept) / len(kept)


def others_choose(db):
    return db.gather(0, (db.sum(1, keepdim=True) - db).argmax(0, keepdim=True))


# One minimiser on the parabola


def bound(a, lam):
    return max(0.0, (2 * a - 1) / (1 + lam))


ASK = {name: getattr(checks, name) for name in checks.__all__}
RIGHT = {
    "patch_prox": [
        patches,
        patch_by_patch,
        patches_in_numpy,
        lambda u, tau: u * (1 - tau / size(u)).clamp_min(0),
        lambda u, tau: (1 - tau / size(u).clamp_min(1e-9)).clamp_min(0) * u,
        lambda u, tau: patches(u, tau).tolist(),
        lambda u, tau: patches(u.float(), tau),
    ],
    "backtracking_step": [
        step,
        lambda *a: as_printed(*a, strict=True),
        lambda *a: list(step(*a)),
        lambda *a: (step(*a)[0], torch.tensor(step(*a)[1], dtype=torch.float64)),
        lambda *a: (step(*a)[0].numpy(), np.float64(step(*a)[1])),
        lambda *a: (step(*a)[0].tolist(), torch.tensor([step(*a)[1]])),
        lambda *a: (step(*a)[0].float(), step(*a)[1]),
    ],
    "without_deviation": [
        bent,
        at_the_best,
        on_a_grid,
        lambda r, lam: at_the_best(r, lam).numpy(),
        lambda r, lam: bent(r.float(), lam),
        lambda r, lam: r**2 - (r.abs() - lam / 2).clamp_min(0) ** 2,
    ],
    "best_of_starts": [
        over_sets,
        by_rank,
        lambda f, quality, s: np.float64(by_rank(f, quality, s)),
        lambda f, quality, s: by_rank(f, quality, s).reshape(1),
    ],
    "residual_excess": [
        excess,
        lambda squared, m, d, sigma: torch.tensor(excess(squared, m, d, sigma)),
        lambda squared, m, d, sigma: (squared - (m - d) * sigma**2) / np.sqrt(2 * (m - d) * sigma**4),
    ],
    "left_out": [
        one_by_one,
        lambda db: others_choose(db).mean(),
        lambda db: np.float64(one_by_one(db)),
    ],
    "one_minimiser": [
        bound,
        lambda a, lam: torch.tensor((2 * a - 1) / (1 + lam)).clamp_min(0),
        lambda a, lam: np.maximum(0, (2 * a - 1) / (1 + lam)),
        lambda a, lam: 0 if a < 0.5 else (2 * a - 1) / (1 + lam),
    ],
}
WRONG = {
    "patch_prox": [
        (lambda u, tau: u, "nothing has been shrunk"),
        (L1(1.0).prox, "stand or fall together"),
        (lambda u, tau: u * (size(u) > tau), "still be shortened"),
        (lambda u, tau: u * (1 - tau / max(float(u.norm()), tau)), "each has its own norm"),
        (lambda u, tau: patches(u, tau / 2), "not by tau / 2"),
        (lambda u, tau: patches(u, 2 * tau), "not by 2 tau"),
        (lambda u, tau: u / (1 + 2 * tau), "divides no patch"),
        (lambda u, tau: u / (1 + tau), "makes short patches 0"),
        (lambda u, tau: u * (1 - tau / size(u).square().clamp_min(tau)), "a norm was squared"),
        (lambda u, tau: u - patches(u, tau), "takes away from u"),
        (lambda u, tau: u + tau * u / size(u).clamp_min(1e-9), "must not grow"),
        (lambda u, tau: u * tau / size(u).clamp_min(1e-9), "has length tau"),
        (lambda u, tau: u - tau * u / size(u).clamp_min(1e-9), "does not turn round"),
        (lambda u, tau: torch.where(size(u) > tau, patches(u, tau), u), "shorter than tau becomes 0"),
        (lambda u, tau: u * (1 - tau / size(u)), "NaN or infinite"),
        (lambda u, tau: 0.5 * patches(u, tau), "half of"),
        (lambda u, tau: patches(u, tau).flatten(), "give them that shape"),
        (lambda u, tau: None, "placeholder"),
        (lambda u: u, "raised TypeError"),
        (change_in_place, "in place"),
        ("no function", "expected a function"),
    ],
    "backtracking_step": [
        (no_backtracking, "multiply L by eta1"),
        (as_printed, "here the gradient is 0"),
        (changed(still=lambda z: z + 1), "has moved"),
        (changed(still=lambda z: z / 0), "has moved"),
        (lambda *a: step(*a) if a[1](a[2]).any() else a[2], "the new z and the new L"),
        (lambda *a: step(*a) if a[1](a[2]).any() else (a[2], 0.0), "must be positive"),
        (changed(fresh=False), "the same trial point again and again"),
        (changed(sign=-1), "go along minus the gradient"),
        (changed(ask=lambda g, L: g.pow(2).sum() / 2 * L), "2 * L in brackets"),
        (longer, "so L grows"),
        (counts_nothing, "does not come to an end"),
        (changed(relax=False), "line 7 multiplies L by eta0"),
        (first_L, "the loop has raised"),
        (changed(ask=lambda g, L: g.pow(2).sum() / L), "twice as much"),
        (changed(ask=lambda g, L: g.pow(2).sum() / (4 * L)), "a quarter"),
        (changed(ask=lambda g, L: 0.0), "not just for any decrease"),
        (changed(ask=lambda g, L: g.norm() / (2 * L)), "is squared"),
        (lambda f, gradient, z, L, eta0, eta1: (z + gradient(z) / L, L * eta0), "check the sign"),
        (lambda f, gradient, z, L, eta0, eta1: (z, L), "has not moved"),
        (lambda *a: (step(*a)[0], step(*a)[1] / a[4] ** 2), "does not divide"),
        (lambda *a: step(*a)[0], "two things"),
        (lambda *a: (step(*a)[0], "L"), "must be a number"),
        (lambda *a: (step(*a)[0], None), "L is still empty"),
        (lambda *a: (step(*a)[0][:2], 1.0), "shape"),
        (lambda *a: (step(*a)[0], 1.0), "compare with line 7"),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
        (moves_z_in_place, "in place"),
    ],
    "without_deviation": [
        (lambda r, lam: r**2, "at u = 0"),
        (lambda r, lam: lam * r.abs(), "at u = r"),
        (lambda r, lam: torch.minimum(r**2, lam * r.abs()), "not the only candidates"),
        (lambda r, lam: lam / (1 + lam) * r**2, "what relaxed leaves"),
        (lambda r, lam: bent(r, lam, lam), "shortened by lam / 2, not by lam"),
        (lambda r, lam: bent(r, lam, lam, 0.5), "set 2 (u - r)"),
        (lambda r, lam: bent(r, lam, factor=0.5), "half of what"),
        (shrunk, "that is the best u"),
        (lambda r, lam: r - shrunk(r, lam), "what is left of the misfit"),
        (lambda r, lam: (r - shrunk(r, lam)) ** 2, "the price lam |u|"),
        (lambda r, lam: lam * shrunk(r, lam).abs(), "the misfit (r - u)^2"),
        (lambda r, lam: torch.where(r <= lam / 2, r**2, lam * r - lam**2 / 4), "may be negative"),
        (lambda r, lam: torch.where(r.abs() <= lam / 2, r**2, lam * r.abs()), "do not meet"),
        (lambda r, lam: bent(r, lam).sum(), "one value for each"),
        (lambda r, lam: ..., "placeholder"),
        (lambda r: r, "raised TypeError"),
    ],
    "best_of_starts": [
        (lambda f, quality, s: quality.mean(), "whatever s is"),
        (first_starts, "one set of many"),
        (lambda f, quality, s: first_starts(-quality, quality, s), "and chosen by quality"),
        (lambda f, quality, s: over_sets(f, quality, s, by=lambda f, q: -q), "nobody knows the quality"),
        (lambda f, quality, s: first_starts(f, quality, f.shape[1]), "best of all S"),
        (lambda f, quality, s: over_sets(-f, quality, s), "not the greatest"),
        (lambda f, quality, s: over_sets(f, quality, s, with_repeats), "twice now and then"),
        (lambda f, quality, s: quality.gather(1, f.argsort(1))[:, :s].mean(), "only one is kept"),
        (lambda f, quality, s: over_sets(f, f, s), "the mean objective"),
        (lambda f, quality, s: None, "placeholder"),
        (lambda f, quality: f, "raised TypeError"),
    ],
    "residual_excess": [
        (lambda squared, m, d, sigma: excess(squared, m, 0, sigma), "a part of the noise"),
        (lambda squared, m, d, sigma: excess(squared, m, d, sigma, terms=m), "how many independent terms"),
        (lambda squared, m, d, sigma: excess(squared, m, d, sigma, mean=m), "share of the mean"),
        (lambda squared, m, d, sigma: excess(squared, m, -d, sigma), "does not put any in"),
        (lambda squared, m, d, sigma: 2**0.5 * excess(squared, m, d, sigma), "the variance 2, not 1"),
        (lambda squared, m, d, sigma: excess(squared, m, d, sigma) / (2 * (m - d)) ** 0.5, "the root of the variance"),
        (lambda squared, m, d, sigma: sigma**2 * excess(squared, m, d, sigma), "unit of the data"),
        (lambda squared, m, d, sigma: sigma * excess(squared, m, d, sigma), "sigma^4"),
        (lambda squared, m, d, sigma: excess(squared**2, m, d, sigma), "handed the squared residual"),
        (lambda squared, m, d, sigma: excess(squared**0.5, m, d, sigma), "the norm of the residual"),
        (lambda squared, m, d, sigma: squared / sigma**2 - (m - d), "not yet in standard deviations"),
        (lambda squared, m, d, sigma: squared / sigma**2 / (m - d), "the ratio"),
        (lambda squared, m, d, sigma: -excess(squared, m, d, sigma), "positive excess"),
        (lambda squared, m, d, sigma: "large", "must be a number"),
        (lambda squared, m, d, sigma: None, "placeholder"),
    ],
    "left_out": [
        (lambda db: db.mean(1).max(), "also judge it"),
        (lambda db: db.amax(0).mean(), "takes its truth"),
        (lambda db: db[db[:, : db.shape[1] // 2].mean(1).argmax(), db.shape[1] // 2 :].mean(), "all but one"),
        (lambda db: ((db.sum(1, keepdim=True) - db) / (db.shape[1] - 1)).amax(0).mean(), "that was left out"),
        (lambda db: db.gather(0, (db.sum(1, keepdim=True) - db).argmin(0)[None]).mean(), "like least"),
        (lambda db: db.gather(0, db.argmax(0).roll(1)[None]).mean(), "choose together"),
        (lambda db: db.mean(), "mean over all of them"),
        (lambda db: others_choose(db)[0], "take the mean"),
        (lambda db: db[0].mean(), "whatever the images say"),
        (lambda db: None, "placeholder"),
    ],
    "one_minimiser": [
        (lambda a, lam: 7 / (1 + lam), "a = 4 only"),
        (lambda a, lam: 2 * a - 1, "bound for hard"),
        (lambda a, lam: max(0, 2 * a - 1), "bound for hard"),
        (lambda a, lam: (2 * a - 1) / lam, "lam / (1 + lam)"),
        (lambda a, lam: max(0, (2 * a - 1) * lam / (1 + lam)), "lam of which cancels"),
        (lambda a, lam: (a - 1) / (1 + lam), "4 z (z^2 - a)"),
        (lambda a, lam: 2 * a / (1 + lam), "first coordinate"),
        (lambda a, lam: (2 * a + 1) / (1 + lam), "1 is subtracted"),
        (lambda a, lam: (2 * a - 1) / (1 + lam), "mu is not negative"),
        (lambda a, lam: (2 * a - 1) / 2, "where z^2 lies"),
        (lambda a, lam: bound(a, lam) * (1 + lam) ** 2, "divided by it"),
        (lambda a, lam: bound(a, lam) / 2, "half of"),
        (lambda a, lam: None, "placeholder"),
        (lambda a: a, "raised TypeError"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)


def test_the_excess_of_pure_noise_is_standard_normal():
    """Residuals of the best fit by d columns: the claim that the chapter proves."""
    generator = torch.Generator().manual_seed(0)
    B, e = (torch.randn(60, k, generator=generator, dtype=torch.float64) for k in (5, 4000))
    left = 0.3 * (e - B @ torch.linalg.lstsq(B, e).solution)
    above = (left.square().sum(0) / 0.09 - 55) / 110**0.5
    assert torch.allclose(above[0], torch.tensor(judging.excess(float(left[:, 0].square().sum()), 60, 5, 0.3)).double())
    assert abs(float(above.mean())) < 0.06 and abs(float(above.std()) - 1) < 0.05
