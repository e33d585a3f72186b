"""Learning to fill masked images with and without true images: what equivariant imaging learns, and where it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...data.load import load
from ...equivariance import Group, GroupConv, ResidualBlock, equivariant_imaging_losses
from ...metrics import psnr
from ...operators import Inpainting, LinearOperator
from ...reproduce.experiment import Experiment
from ...reproduce.pictures import pack
from ...reproduce.setting import rounded, seeded
from .imaging_figures import imaging_figure, imaging_pictures, imaging_story

__all__ = ["EXPERIMENTS", "Filler", "drawn", "imaging_job", "seen_pixels", "turned_digits"]

GROUP, SIZE, SEEN = "C4", 28, 0.5
N_TRAIN, N_TEST, SEEDS, MASK_SEED, TURNS = 1_000, 200, (0, 1, 2), 0, (1, 2)
CHANNELS, BLOCKS, BATCH, STEPS, RATE, WEIGHT = 16, 4, 8, 500, 5e-3, 1.0
MASKS, LOSSES = ("random", "invariant"), ("supervised", "data alone", "equivariant imaging")
#: How often the test images are looked at during a training, and how many reconstructions are stored.
LOOKS, SHOWN = 5, 3

SETTINGS = {
    "images": "digits, each turned by a random number of quarter turns", "group": GROUP, "seen": SEEN, "sigma": 0.0,
    "n_train": N_TRAIN, "n_test": N_TEST, "seed_mask": MASK_SEED, "seeds_turns": TURNS, "channels": CHANNELS,
    "blocks": BLOCKS, "batch": BATCH, "learning_rate": RATE, "weight": WEIGHT, "psnr_data_range": 1,
}  # fmt: skip


class Filler(nn.Module):
    """What is seen, and a correction from a small residual network that knows which pixels are seen.

    Equivariant with the group "C4" if the mask is invariant; "C1" makes an ordinary network with as many channels.

    Example
    -------
    >>> A = Inpainting(seen_pixels("random"))
    >>> Filler("C4")(torch.zeros(2, *A.shape_out), A).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, group: str, channels: int = CHANNELS, blocks: int = BLOCKS) -> None:
        super().__init__()
        n = channels // Group(group).order
        self.layers = nn.Sequential(
            GroupConv(group, 2, n, "lift", padding="replicate"),
            nn.LeakyReLU(),
            *(ResidualBlock(GroupConv(group, n, n, padding="replicate")) for _ in range(blocks)),
            GroupConv(group, n, 1, "project", padding="replicate"),
        )

    def forward(self, y: Tensor, A: LinearOperator) -> Tensor:
        """(B, pixels seen) -> (B, 1, N, N)."""
        first, seen = A.T(y), A.T(torch.ones_like(y))
        return first + self.layers(torch.cat([first, seen], 1))


def drawn(group: str, seed: int) -> Filler:
    """A network with first weights from a seed; the global seed is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Filler(group)


def seen_pixels(kind: str) -> Tensor:
    """About half of the pixels: "random", or "invariant", the random ones of a quarter of the image in four turns.

    Example
    -------
    >>> [torch.equal(torch.rot90(m), m) for m in map(seen_pixels, ("random", "invariant"))]
    [False, True]
    """
    random = torch.rand(SIZE, SIZE, generator=seeded(MASK_SEED)) < SEEN
    if kind == "random":
        return random
    corner = torch.zeros_like(random)
    corner[: SIZE // 2, : SIZE // 2] = random[: SIZE // 2, : SIZE // 2]
    return torch.stack([torch.rot90(corner, k) for k in range(4)]).any(0)


def turned_digits(split: str, n: int, seed: int) -> Tensor:
    """The first n digits, each turned by a random number of quarter turns: a set that no turn changes.

    Example
    -------
    >>> turned_digits("test", 3, 0).shape
    torch.Size([3, 1, 28, 28])
    """
    turns = torch.randint(4, (n,), generator=seeded(seed)).tolist()
    images = getattr(load("mnist"), split)[:n]
    return torch.stack([torch.rot90(x, k, (-2, -1)) for x, k in zip(images, turns, strict=True)])


def loss_of(
    loss: str, network: Callable, x: Tensor, y: Tensor, A: LinearOperator, generator: torch.Generator
) -> Tensor:
    """One of the ``LOSSES``; only the first looks at the true images x."""
    if loss == "equivariant imaging":
        return equivariant_imaging_losses(network, y, A, generator, GROUP, weight=WEIGHT)["loss"]
    found = network(y, A)
    wrong = found - x if loss == "supervised" else A(found) - y
    return wrong.square().flatten(1).sum(1).mean()


def imaging_tasks() -> list[dict]:
    """All losses with the equivariant network, equivariant imaging with the ordinary one, for two seeds.

    The two trainings whose spread is largest have a third seed, and the second of them a run of twice the length that
    says whether it converged.
    """
    last = LOSSES[-1]
    kinds = [(GROUP, loss) for loss in LOSSES] + [("C1", last)]
    tasks = [
        {"mask": mask, "group": group, "loss": loss, "seed": seed, "steps": STEPS}
        for seed in SEEDS[:2]
        for mask in MASKS
        for group, loss in kinds
    ]
    again = {"mask": "random", "group": GROUP}
    tasks += [again | {"loss": loss, "seed": SEEDS[2], "steps": STEPS} for loss in (LOSSES[0], last)]
    return [*tasks, again | {"loss": last, "seed": SEEDS[0], "steps": 2 * STEPS}]


def imaging_job(
    mask: str, group: str, loss: str, seed: int, steps: int, n_train: int = N_TRAIN, n_test: int = N_TEST
) -> dict:
    """One training: the quality of test images during it, both terms of equivariant imaging, and a few pictures."""
    seen, generator = seen_pixels(mask), seeded(seed)
    x, x_test = turned_digits("train", n_train, TURNS[0]), turned_digits("test", n_test, TURNS[1])
    A, network = Inpainting(seen), drawn(group, seed)
    y, y_test, path, started = A(x), A(x_test), [], time.perf_counter()
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(1, steps + 1):
        pick = torch.randint(n_train, (BATCH,), generator=generator)
        optimiser.zero_grad()
        loss_of(loss, network, x[pick], y[pick], A, generator).backward()
        optimiser.step()
        schedule.step()
        if step % max(1, steps // LOOKS) == 0:
            with torch.no_grad():
                found = network(y_test, A)
            path.append([step, round(hidden_psnr(found, x_test, seen), 3)])
    with torch.no_grad():
        terms = equivariant_imaging_losses(network, y_test, A, seeded(0), GROUP)
    return {
        "weights": sum(p.numel() for p in network.parameters()),
        "path": path,
        "psnr_hidden": path[-1][1],
        "psnr": rounded(psnr(found, x_test), 2),
        "data": round(float(terms["data"]), 5),
        "equivariance": round(float(terms["equivariance"]), 5),
        "pictures": pack(found[:SHOWN]),
        "seconds": round(time.perf_counter() - started, 1),
    }


def hidden_psnr(found: Tensor, truth: Tensor, seen: Tensor) -> float:
    """PSNR (dB) of the pixels that are not seen, of all images together: (B, 1, N, N), (B, 1, N, N), (N, N) bool."""
    return float(-10 * (found - truth)[..., ~seen].square().mean().log10())


EXPERIMENTS = {
    "equivariant-imaging": Experiment(
        name="equivariant-imaging",
        title="Filling masked digits, learned with and without true images",
        tasks=imaging_tasks,
        run=imaging_job,
        settings=SETTINGS,
        figure=imaging_figure,
        more_figures={"pictures": imaging_pictures},
        story=imaging_story,
    ),
}
