"""The score card: properties A1 to B2 of any generator in one table, every number with its uncertainty."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .._check import check_count, check_finite, check_generator, check_kind, check_tensor, check_text
from ..data.dataset import Dataset
from .adapt import as_generator
from .batches import nearest, samples, subset
from .coverage import range_errors
from .features import FEATURE_SIZES, frechet_distance
from .latent_space import latent_spread
from .likelihood import log_likelihood
from .novelty import far_from_prior, strangers
from .smoothness import lipschitz, path_smoothness
from .support import LEVEL, duplicate_threshold, support_size
from .transport import emd
from .two_sample import classifier_test

__all__ = ["Score", "ScoreCard", "score_card"]

FAR = 5.0  # ||z|| in units of sqrt(d) at which A2 looks
REPEATS = 4


@dataclass(frozen=True)
class Score:
    """One number of a score card.

    Attributes
    ----------
    key, name, unit : str
    value : float
        NaN where the measure does not apply; ``note`` says why.
    error : float
        Standard error over other images, draws and starts.
    better : "lower", "higher" or the best value itself, "1" or "0.5"
    floor : float
        What real images in place of generated ones score; NaN where that means nothing.
    note : str
    """

    key: str
    name: str
    unit: str
    value: float
    error: float
    better: str
    floor: float = float("nan")
    note: str = ""

    @property
    def decimals(self) -> int:
        """Digits after the point that are worth printing, of which one unit of the last is about one standard error."""
        if not math.isfinite(self.error):
            return 2
        return max(0, min(4, math.ceil(-math.log10(2 * max(self.error, 1e-5)))))

    def text(self, value: float) -> str:
        """A value in the printed digits; a dash for NaN."""
        if math.isnan(value):
            return "–"
        return f"{value:,.{self.decimals}f}" if math.isfinite(value) else "∞"

    def __str__(self) -> str:
        return self.text(self.value)


@dataclass(frozen=True)
class ScoreCard:
    """Properties A1 to B2 of one generator in numbers; ``print`` it, or take ``markdown()`` or ``as_dict()``.

    Attributes
    ----------
    name, data : str
    scores : tuple of Score
    settings : dict
    seconds : float
    """

    name: str
    data: str
    scores: tuple[Score, ...]
    settings: dict
    seconds: float

    def __getitem__(self, key: str) -> Score:
        for score in self.scores:
            if score.key == key:
                return score
        raise KeyError(f"no score {key!r}; there are {', '.join(s.key for s in self.scores)}")

    def __str__(self) -> str:
        rows = [("property", "measure", "value", "±", "real", "better", "unit")]
        for s in self.scores:
            error = s.text(s.error) if math.isfinite(s.value) else ""
            rows.append((s.key.split(" ")[0], s.name, str(s), error, s.text(s.floor), s.better, s.unit))
        widths = [max(len(row[k]) for row in rows) for k in range(7)]
        lines = [f"{self.name} on {self.data}: {self.settings['n']} images, {self.seconds:.0f} s"]
        for row in rows:
            cells = [
                c.ljust(w) if k not in (2, 3, 4) else c.rjust(w)
                for k, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def markdown(self) -> str:
        """The same as a Markdown table."""
        lines = ["| | measure | value | ± | real images | better | unit |", "|:---|:---|---:|---:|---:|:---|:---|"]
        for s in self.scores:
            error = s.text(s.error) if math.isfinite(s.value) else ""
            name = s.name.replace("|", r"\|")  # a bar ends a cell
            lines.append(
                f"| {s.key.split(' ')[0]} | {name} | {s} | {error} | {s.text(s.floor)} | {s.better} | {s.unit} |"
            )
        return "\n".join(lines)

    def as_dict(self) -> dict:
        """Plain values, for a results file; NaN and infinity become None."""
        scores = [
            {k: (None if isinstance(v, float) and not math.isfinite(v) else round(v, 7) if isinstance(v, float) else v)
             for k, v in asdict(s).items()}
            for s in self.scores
        ]  # fmt: skip
        return {"name": self.name, "data": self.data, "settings": self.settings, "seconds": round(self.seconds, 1),
                "scores": scores}  # fmt: skip

    @classmethod
    def from_dict(cls, stored: dict) -> ScoreCard:
        """The card again, from ``as_dict``."""
        scores = [
            Score(**{k: float("nan") if v is None and k in ("value", "error", "floor") else v for k, v in s.items()})
            for s in stored["scores"]
        ]
        return cls(stored["name"], stored["data"], tuple(scores), stored["settings"], stored["seconds"])


def score_card(
    G,
    data: Dataset,
    generator: torch.Generator,
    n: int = 1000,
    n_search: int = 100,
    name: str = "",
    foreign: Tensor | None = None,
) -> ScoreCard:
    """Measure properties A1 to B2 of any generator.

    Parameters
    ----------
    G : generator
        See ``as_generator``.
    data : Dataset
        Test and training images of the kind that G should draw, 4 n of each at least.
    generator : torch.Generator
        For all draws.
    n : int >= 100
        Images for the distances between distributions; each is measured four times with other images.
    n_search : int >= 20
        Images for which the best z is searched (the slow part without an encoder).
    name : str
        For the head of the card.
    foreign : (M, 1, H, W) tensor, optional
        Images that G should not be able to draw.  Default: ``strangers`` ("pixels shuffled" and "bars").

    Returns
    -------
    ScoreCard
        ``card["A1 test"].value`` and so on.

    Raises
    ------
    TypeError, ValueError

    Example
    -------
    >>> from course_utils import load, pretrained
    >>> card = score_card(pretrained("vae-mnist-8", verbose=False), load("mnist"), torch.Generator().manual_seed(0),
    ...                   n=100, n_search=20)
    >>> card["A1 test"].better, 0.2 < card["A1 test"].value < 0.5
    ('lower', True)
    """
    started = time.perf_counter()
    G = as_generator(G)
    check_generator(generator)
    n, n_search = check_count("n", n, minimum=100), check_count("n_search", n_search, minimum=20)
    check_kind("data", data, Dataset)
    check_text("name", name)
    like = next(G.parameters())
    for split in ("test", "train"):
        check_tensor(f"data.{split}", getattr(data, split), (None, *G.image_shape), like=like)
    if foreign is not None:
        check_tensor("foreign", foreign, (None, *G.image_shape), like=like)
        check_finite("foreign", foreign)
    if min(len(data.test), len(data.train)) < max(2 * n, 2 * n_search):
        raise ValueError(f"'data' must hold {max(2 * n, 2 * n_search)} test and training images, got {len(data.test)}")
    scores = _range_scores(G, data, generator, n_search, foreign)
    scores += _distribution_scores(G, data, generator, n)
    settings = {"n": n, "n_search": n_search, "repeats": REPEATS, "far_radius": FAR}
    return ScoreCard(name or G.name, data.name, tuple(scores), settings, time.perf_counter() - started)


def _bootstrap(values: Tensor, statistic, generator: torch.Generator, other: Tensor | None = None) -> float:
    """Standard error of a statistic of one or two samples, by 200 resamplings."""
    found = []
    for _ in range(200):
        parts = [
            v[torch.randint(len(v), (len(v),), generator=generator).to(v.device)]
            for v in (values, other)
            if v is not None
        ]
        found.append(float(statistic(*parts)))
    return float(torch.tensor(found).std())


def _range_scores(G, data: Dataset, generator, n: int, foreign) -> list[Score]:
    """A1, the second half of A2, B1 and B2: what rests on latent vectors found for images."""
    test, train = subset(data.test, 2 * n, generator)[:n], subset(data.train, n, generator)
    foreign = _foreign(test, generator) if foreign is None else subset(foreign, min(n, len(foreign)), generator)
    found = {k: range_errors(G, x, generator) for k, x in (("test", test), ("train", train), ("foreign", foreign))}
    e, e_train, e_foreign = (found[k].nrmse for k in ("test", "train", "foreign"))

    def ratio(a, b):
        return a.median() / b.median()

    z = found["test"].z
    path = path_smoothness(G, z, z.roll(1, 0), steps=32)
    spread = latent_spread(z, generator, permutations=99)
    d = G.latent_dim
    radius = float((z.double().pow(2).sum(1).mean() / d).sqrt())
    # slopes and sizes of z together, because both have their share in the error
    steep = torch.stack([lipschitz(G, z).double(), z.double().pow(2).sum(1) / d], 1)
    radius_error = _bootstrap(z.double().pow(2).sum(1), lambda s: (s.mean() / d).sqrt(), generator)
    q95 = _bootstrap(e, lambda v: v.quantile(0.95), generator)
    energy_error = _energy_error(z, generator)
    return [
        Score("A1 test", "best fit of test images, median NRMSE", "1", float(e.median()),
              _bootstrap(e, torch.median, generator), "lower", 0.0),
        Score("A1 worst", "the same, 95 % quantile (lost modes)", "1", float(e.quantile(0.95)), q95, "lower", 0.0),
        Score("A1 gap", "the same, test / training images (over-fitting)", "1", float(ratio(e, e_train)),
              _bootstrap(e, ratio, generator, e_train), "1", 1.0),
        Score("A2 foreign", "best fit of wrong images, median NRMSE", "1", float(e_foreign.median()),
              _bootstrap(e_foreign, torch.median, generator), "higher"),
        Score("B1 slope", "local Lipschitz constant times rms of z_j, median", "grey", float(_scaled_slope(steep)),
              _bootstrap(steep, _scaled_slope, generator), "lower", note="the same for G(z) and G(2z)"),
        Score("B1 jump", "largest / mean step between test images, median of 32", "1", float(path.jump.median()),
              _bootstrap(path.jump, torch.median, generator), "lower", note="1 is even pace"),
        Score("B2 radius", "root mean square of ||z||, over sqrt(d)", "1", radius, radius_error, "1", 1.0),
        Score("B2 energy", "energy distance of z to N(0, I)", "1", spread.energy.statistic, energy_error, "lower", 0.0,
              note=f"chance alone: up to {spread.energy.critical:.3f}; p = {spread.energy.p:.2f}"),
    ]  # fmt: skip


def _scaled_slope(steep: Tensor) -> Tensor:
    """Median slope times the root mean square of z_j, from rows (slope, mean square of z_j): (n, 2) -> ()."""
    return steep[:, 0].median() * steep[:, 1].mean().sqrt()


def _energy_error(z: Tensor, generator) -> float:
    """Standard error of the energy distance: over halves of z (scaled to the whole), each against new draws."""
    found = [
        latent_spread(subset(z, len(z) // 2, generator), generator, permutations=1).energy.statistic for _ in range(8)
    ]
    return float(torch.tensor(found).std()) / 2**0.5


def _foreign(test: Tensor, generator) -> Tensor:
    kinds = strangers(test, generator)
    half = len(test) // 2
    return torch.cat([kinds["pixels shuffled"][:half], kinds["bars"][half:]])


def _repeated(measure) -> tuple[float, float]:
    """Mean over ``REPEATS`` runs and its standard error."""
    values = torch.tensor([measure() for _ in range(REPEATS)], dtype=torch.float64)
    return float(values.mean()), float(values.std()) / REPEATS**0.5


def _distribution_scores(G, data: Dataset, generator, n: int) -> list[Score]:
    """A3 and the first half of A2: what rests on samples."""

    def draw():
        return samples(G, n, generator), subset(data.test, n, generator)

    def reality():
        both = subset(data.test, 2 * n, generator)
        return both[:n], both[n:]

    known = subset(data.train, min(len(data.train), 10 * n), generator)
    far = far_from_prior(G, known, subset(data.test, min(n, 200), generator), generator, radii=(FAR,), n=min(n, 200))
    far_ratio = far.distance[0] / far.ordinary
    near = nearest(samples(G, n, generator), known)[0] / far.ordinary
    scores = [
        Score("A2 far", f"distance to training images at ||z|| = {FAR:g} sqrt(d)", "test images' = 1",
              float(far_ratio.median()), _bootstrap(far_ratio, torch.median, generator), "lower", 1.0),
        Score("A3 nearest", "distance to training images of samples (0: copies)", "test images' = 1",
              float(near.median()), _bootstrap(near, torch.median, generator), "1", 1.0),
    ]  # fmt: skip
    for key, name, unit, distance in (
        ("A3 EMD", f"earth mover's distance, N = {n:,}", "grey^2", lambda a, b: emd(a, b).value),
        ("A3 Frechet", "Fréchet distance of features", "feature^2", frechet_distance),
    ):
        if key == "A3 Frechet" and data.image_shape[-1] not in FEATURE_SIZES:
            scores.append(Score(key, name, unit, math.nan, math.nan, "lower", note="features: 28x28, 56x56 only"))
            continue
        value, error = _repeated(lambda distance=distance: distance(*draw()))
        floor, _ = _repeated(lambda distance=distance: distance(*reality()))
        scores.append(Score(key, name, unit, value, error, "lower", floor))
    blur = data.image_shape[-1] / 28
    accuracy, error = _repeated(lambda: classifier_test(*reversed(draw()), generator, blur=blur).accuracy)
    scores.append(
        Score("A3 classifier", "classifier real / generated, accuracy after blur", "1", accuracy, error, "0.5", 0.5)
    )
    threshold = duplicate_threshold(data.train, n, generator, level=max(LEVEL, 4 / (n * (n - 1) / 2)))
    share, error = _repeated(lambda: 1 / support_size(samples(G, n, generator), threshold).size)
    real, _ = _repeated(lambda: 1 / support_size(subset(data.test, n, generator), threshold).size)
    scale = real if real else 1 / (n * (n - 1) / 2)
    name, note = "pairs of samples that are the same", f"closer than {threshold:.2f}"
    scores.append(Score("A3 repeats", name, "real images' = 1", share / scale, error / scale, "1", 1.0, note))
    scores.append(_likelihood_score(G, data, generator, min(n, 200)))
    return scores


def _likelihood_score(G, data: Dataset, generator, n: int) -> Score:
    name = "log-likelihood of test images per pixel"
    if not callable(getattr(getattr(G, "inner", G), "posterior", None)):
        return Score("A3 likelihood", name, "nats", math.nan, math.nan, "higher", note="no density: AE or GAN")
    found = log_likelihood(G, subset(data.test, n, generator), generator, draws=100)
    value = found.value / data.test[0].numel()
    note = f"median ESS {float(found.ess.median()):.0f} of {found.draws}; rho = {found.rho:.3f}"
    return Score("A3 likelihood", name, "nats", float(value.mean()), float(value.std()) / n**0.5, "higher", note=note)
