"""The checks of chapter 04 accept right answers, in every type of array, and refuse typical wrong ones with a hint."""

import math

import numpy as np
import torch
from chapter_tools import answer_tests, refuses

from course_utils import load, pretrained
from course_utils.chapters.properties import checks, useless


def errors(candidates, x):
    return (candidates - x[:, None]).flatten(2).norm(dim=2)


def size(x):
    return x.flatten(1).norm(dim=1)


def least(c, x):
    return errors(c, x).amin(1)


def of_fit(c, x):
    sizes = c.flatten(2).norm(dim=2)
    return least(c, x) / sizes.gather(1, errors(c, x).argmin(1, keepdim=True))[:, 0]


def in_numpy(candidates, x):
    c, t = candidates.numpy(), x.numpy()
    e = np.sqrt(((c - t[:, None]) ** 2).reshape(*c.shape[:2], -1).sum(2))
    return e.min(1) / np.sqrt((t**2).reshape(len(t), -1).sum(1))


def one_by_one(candidates, x):
    return [min(float((fit - truth).norm() / truth.norm()) for fit in fits) for fits, truth in zip(candidates, x)]  # noqa: B905


values = torch.linalg.svdvals


def by_power_iteration(J):
    v = torch.ones(*J.shape[:2], 1, dtype=J.dtype)
    for _ in range(500):
        v = J @ (J.mT @ v)
        v = v / v.norm(dim=1, keepdim=True)
    return (J.mT @ v).norm(dim=1)[:, 0]


def statistic(a, b, cross=2.0, own=(1.0, 1.0), self_pairs=False, power=1, sign=1):
    def within(p):
        n = len(p)
        return torch.cdist(p, p).pow(power).sum() / (n * (n if self_pairs else n - 1))

    between = torch.cdist(a, b).pow(power).mean()
    return sign * (cross * between - own[0] * within(a) - own[1] * within(b))


def energy(**settings):
    return lambda a, b: statistic(a, b, **settings)


def pair_by_pair(a, b):
    def mean(p, q, same):
        distances = [float((u - v).norm()) for i, u in enumerate(p) for j, v in enumerate(q) if not (same and i == j)]
        return sum(distances) / len(distances)

    return 2 * mean(a, b, False) - mean(a, a, True) - mean(b, b, True)


def rho(e1, r1, e2, r2):
    return math.sqrt((e1 - e2) / (r2**2 - r1**2))


def by_bisection(n, alpha):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 - middle) ** n > alpha else (low, middle)
    return low


# A generator that wins an entry of the card and is useless


class Album:
    """Shows the image whose key is nearest to z; softly, so that it has a derivative."""

    latent_dim = 8

    def __init__(self, count, blurred=False, width=0.05):
        self.count, self.blurred, self.width, self.pages = count, blurred, width, None

    def __call__(self, z):
        if self.pages is None:  # only now, because the tables below are made when the tests are collected
            x = load("mnist").train[: self.count]
            x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1) if self.blurred else x
            self.pages, self.keys = x.flatten(1), torch.randn(self.count, 8, generator=torch.Generator().manual_seed(0))
        nearness = -torch.cdist(z, self.keys).square() / (2 * self.width**2)
        return (nearness.softmax(1) @ self.pages).reshape(-1, 1, 28, 28)


class Image:
    """The identity, seen as a generator; with ``side`` below 28 of too small images."""

    def __init__(self, side=28):
        self.side, self.latent_dim = side, side**2

    def __call__(self, z):
        return z.reshape(-1, 1, self.side, self.side)


class Jumps(Album):
    def __call__(self, z):
        return super().__call__(z).detach()


class Broken(Album):
    def __call__(self, z):
        raise RuntimeError("no picture")


def winner(answer):
    """A list holds the entry and the generator; a generator alone is for the Fréchet distance."""
    return checks.useless_winner(*(answer if isinstance(answer, list) else ["A3 Frechet", answer]))


ASK = {name: getattr(checks, name) for name in checks.__all__} | {"useless_winner": winner}
RIGHT = {
    "best_of_starts": [
        lambda c, x: least(c, x) / size(x),
        lambda c, x: (errors(c, x) / size(x)[:, None]).min(1).values,
        in_numpy,
        one_by_one,
        lambda c, x: (least(c, x) / size(x)).float(),
        lambda c, x: tuple(least(c, x) / size(x)),
    ],
    "steepest_direction": [
        lambda J: values(J)[:, 0],
        lambda J: torch.linalg.eigvalsh(J @ J.mT)[:, -1].sqrt(),
        lambda J: torch.linalg.matrix_norm(J, ord=2),
        lambda J: np.linalg.norm(J.numpy(), 2, axis=(1, 2)),
        lambda J: [values(one)[0] for one in J],
        by_power_iteration,
        lambda J: values(J.float())[:, 0],
    ],
    "energy_distance": [
        statistic,
        lambda a, b: float(statistic(a, b)),
        pair_by_pair,
        lambda a, b: statistic(a, b).reshape(1),
        lambda a, b: statistic(a, b).float(),
        lambda a, b: np.float64(statistic(a, b)),
    ],
    "largest_rho": [
        rho,
        lambda e1, r1, e2, r2: np.sqrt((e1 - e2) / ((r2 - r1) * (r2 + r1))),
        lambda e1, r1, e2, r2: torch.tensor(rho(e1, r1, e2, r2)),
    ],
    "not_fitted": [
        lambda n, alpha: 1 - alpha ** (1 / n),
        lambda n, alpha: -math.expm1(math.log(alpha) / n),
        lambda n, alpha: torch.tensor(1 - alpha ** (1 / n)),
        by_bisection,
    ],
    "useless_winner": [Album(1500), Album(800, width=0.1), ["A3 EMD", Album(1500, blurred=True)]],
}
WRONG = {
    "best_of_starts": [
        (least, "divide by the norm of x"),
        (lambda c, x: errors(c, x).mean(1) / size(x), "ANY z"),
        (lambda c, x: errors(c, x).amax(1) / size(x), "worst start"),
        (lambda c, x: errors(c, x)[:, 0] / size(x), "the first start"),
        (lambda c, x: errors(c, x)[:, errors(c, x).mean(0).argmin()] / size(x), "its own best"),
        (lambda c, x: (least(c, x) / size(x)) ** 2, "take the root"),
        (of_fit, "not by the fit"),
        (lambda c, x: least(c, x) / size(x) ** 2, "not by its square"),
        (lambda c, x: least(c, x) / x[0].numel() ** 0.5, "root mean squared error"),
        (lambda c, x: errors(c, x).argmin(1), "the index"),
        (lambda c, x: errors(c, x) / size(x)[:, None], "all starts are still there"),
        (lambda c, x: (least(c, x) / size(x)).mean(), "one value for each"),
        (lambda c, x: (least(c, x) / size(x))[:, None], "give them that shape"),
        (lambda c, x: 2 * least(c, x) / size(x), "twice"),
        (lambda c, x: c.sub_(x[:, None]).flatten(2).norm(dim=2).amin(1), "in place"),
        (lambda c, x: ..., "placeholder"),
        (lambda c: c, "raised TypeError"),
    ],
    "steepest_direction": [
        (lambda J: J.flatten(1).norm(dim=1), "Frobenius"),
        (lambda J: J.norm(dim=2).amax(1), "worst coordinate is not the worst direction"),
        (lambda J: J.norm(dim=1).amax(1), "longest column"),
        (lambda J: torch.linalg.eigvalsh(J @ J.mT)[:, -1], "take the root"),
        (lambda J: torch.linalg.eigvalsh(J @ J.mT)[:, 0].sqrt(), "smallest"),
        (lambda J: J.abs().amax((1, 2)), "largest entry"),
        (lambda J: values(J).sum(1), "sum of the singular values"),
        (lambda J: values(J).mean(1), "mean singular value"),
        (values, "take the largest of each"),
        (lambda J: values(J).max(), "each J has its own"),
        (lambda J: J.sum(1).norm(dim=1) / J.shape[1] ** 0.5, "not the worst one"),
        (lambda J: torch.linalg.eigvalsh(J)[:, -1], "raised"),
        (lambda J: None, "placeholder"),
    ],
    "energy_distance": [
        (energy(self_pairs=True), "n (n - 1)"),
        (energy(cross=1.0), "counts twice"),
        (energy(own=(2.0, 2.0)), "each pair twice"),
        (energy(own=(0.0, 0.0)), "within a set are missing"),
        (energy(own=(1.0, 0.0)), "within b is missing"),
        (energy(own=(0.0, 1.0)), "within a is missing"),
        (energy(own=(-1.0, -1.0)), "to be subtracted"),
        (energy(power=2), "not their squares"),
        (energy(sign=-1), "turned round"),
        (energy(sign=0.5), "half of"),
        (lambda a, b: (a.mean(0) - b.mean(0)).norm(), "between the means"),
        (lambda a, b: statistic(a, b).sqrt(), "not in this one"),
        (lambda a, b: torch.cdist(a, b), "shape"),
        (lambda a, b: ..., "placeholder"),
    ],
    "largest_rho": [
        (lambda *a: rho(*a) ** 2, "that is rho^2"),
        (lambda e1, r1, e2, r2: math.sqrt((e1 - e2) / (r2 - r1)), "the square of the distance"),
        (lambda e1, r1, e2, r2: math.sqrt(e1 - e2) / (r2 - r1), "how far each is from 0"),
        (lambda *a: rho(*a) / 2**0.5, "half of the squared distance"),
        (lambda *a: rho(*a) * 2**0.5, "not by rho^2"),
        (lambda *a: 1 / rho(*a), "turned over"),
        (lambda e1, r1, e2, r2: rho(e1**2, r1, e2**2, r2), "squared already"),
        (lambda e1, r1, e2, r2: math.sqrt(e1 - e2) / r2, "compare two losses"),
        (lambda e1, r1, e2, r2: math.sqrt(e1 / e2) * r1 / r2, "a loss is a sum"),
        (lambda *a: None, "placeholder"),
    ],
    "not_fitted": [
        (lambda n, alpha: 3 / n, "rule of thumb"),
        (lambda n, alpha: -math.log(alpha) / n, "good approximation"),
        (lambda n, alpha: alpha ** (1 / n), "that is the share that is fitted"),
        (lambda n, alpha: 1 - (1 - alpha) ** (1 / n), "not that one is not"),
        (lambda n, alpha: 1 - alpha**n, "take the n-th root"),
        (lambda n, alpha: (1 - alpha) / n, "a power, not a product"),
        (lambda n, alpha: alpha / n, "the mean number"),
        (lambda n, alpha: 1 / n, "depend on alpha"),
        (lambda n, alpha: None, "placeholder"),
    ],
    "useless_winner": [
        (["A3 EMD", Album(1500)], "better than real ones"),  # real images do not win it
        (Image(), "lower wins"),
        (Album(2), "lower wins"),
        (Image(side=2), "(1, 28, 28)"),
        (Jumps(20), "without a gradient"),
        (Broken(20), "no picture"),
        (object(), "latent_dim"),
        (None, "placeholder"),
        (["A1 test", Image()], "an entry of A3"),
        ([None, Image()], "an entry of A3"),
        ([["A3 EMD"], Image()], "an entry of A3"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_are_explained, test_none_hangs_or_raises = answer_tests(
    ASK, RIGHT, WRONG
)


def test_a_winner_that_is_of_use_is_refused(monkeypatch):
    """The VAE would be one, if it did not have to beat itself."""
    monkeypatch.setattr(useless, "_rival", lambda entry, family: 1000.0)
    refuses(winner, ["A3 EMD", pretrained("vae-mnist-8", verbose=False)], "it is of use")
