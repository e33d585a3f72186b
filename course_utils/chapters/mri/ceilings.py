"""How well the best linear generator can show a head that it has not seen: components, augmentation, a second head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ...data.brain import FOLDS, brain_fold
from ...figures.style import COLOURS, subplots
from ...metrics import psnr
from ...operators import Identity
from ...regularisers import Hard
from ...reproduce.experiment import Experiment
from ...reproduce.setting import mean, rounded, seeded
from ...solvers import reconstruct
from ...training.augment import augment
from ...training.zoo import pretrained
from .brains import HEAD, VAE, shipped

__all__ = ["EXPERIMENTS", "LinearGenerator", "ceilings_figure"]

COMPONENTS = (32, 64, 128, 256, 512)
AUGMENTED = 1800  # images, variations of the training slices
SEARCH = {"lam": 1e-6, "budget": {"max_iter": 500}}  # for the G(z) nearest to an image


class LinearGenerator:
    """G(z) = m + Q z with the principal components of images: among linear generators the best for those images.

    Parameters
    ----------
    images : (N, 1, H, W) tensor
        At most a few thousand: the eigenvectors are those of the N x N matrix of scalar products.

    Example
    -------
    >>> images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> G = LinearGenerator(images)
    >>> bool(torch.allclose(G.nearest(images, 4), images, atol=1e-5))  # five images span four directions
    True
    """

    def __init__(self, images: Tensor) -> None:
        x = images.flatten(1).double()
        self.m, self.shape = x.mean(0), images.shape[1:]
        centred = x - self.m
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        kept = values.flip(0) > 1e-10 * values[-1]
        self.Q = (vectors.flip(1)[:, kept].T @ centred) / values.flip(0)[kept].sqrt()[
            :, None
        ]  # (d, n), orthonormal rows

    @property
    def latent_dim(self) -> int:
        """How many components there are."""
        return len(self.Q)

    def nearest(self, x: Tensor, d: int) -> Tensor:
        """The image in the range of the first ``d`` components that is nearest to x: (B, 1, H, W) -> the same."""
        Q = self.Q[:d]
        found = self.m + (x.flatten(1).double() - self.m) @ Q.T @ Q
        return found.reshape(-1, *self.shape).to(x.dtype)


def training_slices(test: str, heads: int) -> Tensor:
    """Slices of the heads that are not kept for the test: of the one that trains in the fold, or of both."""
    fold = brain_fold(test)
    return fold.train if heads == 1 else torch.cat([fold.train, fold.val])


def ceilings_row(test: str, heads: int, augmented: bool) -> dict:
    """PSNR of the nearest image in the range, for each slice of the test head, by number of components."""
    x, images = brain_fold(test).test, training_slices(test, heads)
    if augmented:
        random = seeded(0)
        rounds = -(-AUGMENTED // len(images))
        images = torch.cat([augment(images, random) for _ in range(rounds)])[:AUGMENTED]
    G = LinearGenerator(images)
    found = {d: psnr(G.nearest(x, d), x) for d in COMPONENTS if d <= G.latent_dim}
    return {
        "slices": len(images),
        "psnr": {str(d): round(float(v.mean()), 3) for d, v in found.items()},
        "std": {str(d): round(float(v.std()), 3) for d, v in found.items()},
    }


def vae_row() -> dict:
    """The shipped VAE on its test head, its d beside: G(E(x)), and the G(z) that a search finds from there."""
    G, x = pretrained(VAE, verbose=False), brain_fold(HEAD).test
    best = reconstruct(Identity(x.shape[-1]), x, Hard(G, SEARCH["lam"]), start="encoder", x0=x, **SEARCH["budget"])
    with torch.no_grad():
        encoded = psnr(G(G.encode(x)), x)
    return {
        "d": G.latent_dim, "psnr_of_encoded": rounded(encoded, 2), "psnr_of_best": rounded(psnr(best.x, x), 2),
        "converged": round(float(best.converged.float().mean()), 2),
    }  # fmt: skip


def ceilings_job(kind: str, **task) -> dict:
    """A linear generator of one fold, or the shipped VAE."""
    return {"linear": ceilings_row, "vae": vae_row}[kind](**task)


def ceilings_tasks() -> list[dict]:
    linear = [
        {"kind": "linear", "test": test, "heads": heads, "augmented": augmented}
        for test in FOLDS
        for heads in (1, 2)
        for augmented in (False, True)
    ]
    return linear + ([{"kind": "vae"}] if shipped(VAE) else [])


LINES = {
    (1, False): ("one head", {"color": COLOURS["black"], "linestyle": ":", "marker": "s"}),
    (2, False): ("two heads", {"color": COLOURS["orange"], "linestyle": "--", "marker": "^"}),
    (1, True): ("one head, augmented", {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"}),
    (2, True): ("two heads, augmented", {"color": COLOURS["vermilion"], "linestyle": "-.", "marker": "D"}),
}


def ceilings_figure(record: Mapping) -> Figure:
    """PSNR of the best image in the range over the number of components, a panel for each test head.

    Parameters
    ----------
    record : dict
        Stored result of ``ceilings``.
    """
    tests = list(dict.fromkeys(r["test"] for r in record["rows"] if r["kind"] == "linear"))
    alt = (
        "For each of three test heads: PSNR of the nearest image in the range over 32 to 512 components, for one or "
        "two training heads, with and without augmentation. With it the curves rise; the second head adds little."
    )
    figure, axes = subplots(1, len(tests), size=(4.2 * len(tests), 3.7), alt=alt, sharey=True, squeeze=False)
    for ax, test in zip(axes[0], tests, strict=True):
        for r in record["rows"]:
            if r["kind"] == "linear" and r["test"] == test:
                name, style = LINES[r["heads"], r["augmented"]]
                d = np.array(sorted(map(int, r["psnr"])))  # a stored record has its keys in alphabetical order
                ax.plot(d, [r["psnr"][str(k)] for k in d], label=name, **style)
        ax.set_xscale("log", base=2)
        ax.set_xticks(COMPONENTS, list(map(str, COMPONENTS)))
        ax.minorticks_off()
        ax.set(title=f"test head {test}", xlabel="components d")
    for r in record["rows"]:
        if r["kind"] == "vae" and HEAD in tests:
            ax = axes[0, tests.index(HEAD)]
            star = {"marker": "*", "markersize": 14, "linestyle": "", "color": COLOURS["green"]}
            ax.plot([r["d"]], [mean(r["psnr_of_best"])], label="VAE, G(z) found", **star)
            ax.plot([r["d"]], [mean(r["psnr_of_encoded"])], markerfacecolor="none", label="VAE, G(E(x))", **star)
    axes[0, 0].set_ylabel("PSNR of the nearest image (dB)")
    handles = {label: h for ax in axes[0] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    axes[0, 0].legend(handles.values(), handles.keys(), fontsize=8, frameon=False, loc="upper left")
    return figure


def gains(rows: Sequence[Mapping], d: int) -> dict[str, list[float]]:
    """What augmentation, a second head and twice the components bring at d components, in dB, by test head.

    Without augmentation there may be fewer than d components; then the gain is that at the most there are.
    """
    value = {(r["test"], r["heads"], r["augmented"]): r["psnr"] for r in rows if r["kind"] == "linear"}
    tests = list(dict.fromkeys(test for test, *_ in value))
    plain = {t: str(max(int(k) for k in value[t, 2, False] if int(k) <= d)) for t in tests}
    at = str(d)
    return {
        "augmentation": [value[t, 2, True][plain[t]] - value[t, 2, False][plain[t]] for t in tests],
        "a second head": [value[t, 2, True][at] - value[t, 1, True][at] for t in tests],
        "twice the components": [value[t, 2, True][str(2 * d)] - value[t, 2, True][at] for t in tests],
    }


def ceilings_story(record: Mapping) -> str:
    """What each of the three brings."""
    words = [f"{name} {min(v):+.1f} to {max(v):+.1f} dB" for name, v in gains(record["rows"], 128).items()]
    return "Nearest image in the range of the best linear generator, over three test heads: " + ", ".join(words) + "."


SETTINGS = {
    "images": "brain slices of 128 x 128 pixels; folds that leave one head out", "components": list(COMPONENTS),
    "augmented_images": AUGMENTED, "seed": 0, "psnr_data_range": 1, "generator": VAE, "search": SEARCH,
}  # fmt: skip

EXPERIMENTS = {
    "ceilings": Experiment(
        name="ceilings",
        title="Brains: the best image in the range of a linear generator, for heads that it has not seen",
        tasks=ceilings_tasks,
        run=ceilings_job,
        settings=SETTINGS,
        figure=ceilings_figure,
        story=ceilings_story,
    ),
}
