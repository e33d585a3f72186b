"""One trainer for all networks: resumes after a kill without loss, stops when validation stops improving.

    python -m course_utils.training vae-mnist-8 --seed 1        train one recipe (all: make weights)

A run lives in a folder: ``checkpoint.pt`` (everything that is needed to go on), then ``weights.safetensors``
and ``weights.json`` (configuration, seed, curves, machine, date) when it is finished.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .._check import (
    check_callable,
    check_finite,
    check_flag,
    check_kind,
    check_path,
    check_seed,
    check_tensor,
    trusting,
)
from .._files import atomic, cache_dir
from ..families import Trainable, build
from ..generators import VAE
from ..generators.networks import LOCAL
from ..provenance import provenance
from .augment import augment, quarter_turns
from .recipe import Recipe, TrainConfig
from .recipes import RECIPES

__all__ = ["RECIPES", "Recipe", "TrainConfig", "train", "validation_score"]

ROUNDS = 16  # of augmented training images, to fit a prior to
#: Makes other images of a batch: (B, 1, H, W), generator -> (B, 1, H, W).
Change = Callable[[Tensor, torch.Generator], Tensor]


@torch.no_grad()
def validation_score(model: Trainable, val: Tensor, seed: int = 0) -> float:
    """``model.validation_score`` on ``val`` (N, 1, H, W), with random numbers from ``seed``."""
    check_kind("model", model, Trainable, "a network that can be trained")
    check_tensor("val", val, (None, *model.image_shape), like=next(model.parameters()))
    check_finite("val", val)
    seed = check_seed("seed", seed)
    return model.validation_score(val, torch.Generator(val.device).manual_seed(seed))


class _Batches:
    """Batch number k of a data set: shuffled anew each epoch, a function of (seed, k) alone, so resumable.

    ``change`` makes other images of a batch, with a random generator that is a function of (seed, k) too.
    """

    def __init__(
        self, images: Tensor, size: int, seed: int, change: Change | None = None, labels: Tensor | None = None
    ) -> None:
        self.images, self.size, self.seed, self.change, self.labels = images, size, seed, change, labels
        self.per_epoch = max(1, len(images) // size)
        self.epoch, self.order = -1, torch.empty(0, dtype=torch.int64)

    def __getitem__(self, k: int) -> Tensor | tuple[Tensor, Tensor]:
        epoch, position = divmod(k, self.per_epoch)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(self.seed + 1_000_003 * (epoch + 1))
            self.epoch, self.order = epoch, torch.randperm(len(self.images), generator=generator)
        pick = self.order[position * self.size : (position + 1) * self.size]
        batch = self.images[pick.to(self.images.device)]
        if self.change is not None:
            batch = self.change(batch, torch.Generator().manual_seed(self.seed + 1_000_003 * (k + 1) + 500_000))
        return batch if self.labels is None else (batch, self.labels[pick.to(self.labels.device)])


@trusting()  # that training diverged is said where it is validated
def train(
    model: Trainable,
    images: Tensor,
    val: Tensor,
    config: TrainConfig,
    folder: str | Path | None = None,
    progress: bool = True,
    on_validation: Callable[[int, Trainable], None] | None = None,
    finish: bool = False,
    change: Change | None = None,
    labels: tuple[Tensor, Tensor] | None = None,
) -> dict:
    """Train ``model`` in place; afterwards it holds the best (or the last) moving-average weights.

    Parameters
    ----------
    model : Generator or LearnedReconstructor
        On the device on which to train.
    images, val : (N, 1, H, W) tensors in [0, 1], on the model's device
    config : TrainConfig
    folder : path, optional
        Keeps a checkpoint there every ``validate_every`` steps.  If it holds one of the same configuration,
        training goes on from it, and ends with the weights that an undisturbed run would have given.
    progress : bool
        Show a progress bar.
    on_validation : callable, optional
        Called with (step, moving-average model) after each validation, e.g. to draw samples.
    finish : bool
        Take no further step: end an interrupted run with the best weights of its checkpoint.
    change : callable, optional
        ``change(batch, generator)`` gives the images to train on in place of ``batch``, for example ``augment``.
        Validation images stay as they are.
    labels : two integer tensors (N,), optional
        Of the training and of the validation images, for a network whose ``losses`` take (images, labels).

    Returns
    -------
    dict
        ``history`` (a list of records with step, seconds, losses, score), ``best_step``, ``best_score``,
        ``kept_step``, ``steps``, ``stopped`` ("budget", "patience" or "by hand"), ``seconds``.

    Raises
    ------
    ValueError
        Images of the wrong shape or with NaN, a diverged loss, or a checkpoint of another configuration.

    Example
    -------
    >>> from course_utils.generators import GeneratorConfig
    >>> images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    >>> G = build(GeneratorConfig("ae", 2), seed=0)
    >>> report = train(G, images, images, TrainConfig(steps=4, batch_size=32, validate_every=2), progress=False)
    >>> [record["step"] for record in report["history"]]
    [2, 4]
    """
    check_kind("model", model, Trainable, "a network that can be trained")
    check_kind("config", config, TrainConfig)
    folder = None if folder is None else check_path("folder", folder)
    progress, finish = check_flag("progress", progress), check_flag("finish", finish)
    for name, call in (("on_validation", on_validation), ("change", change)):
        if call is not None:
            check_callable(name, call)
    like = next(model.parameters())
    for name, value in (("images", images), ("val", val)):
        check_tensor(name, value, (None, *model.image_shape), like=like)
        check_finite(name, value)
        if not len(value):
            raise ValueError(f"'{name}' must hold at least one image, got none")
    if labels is not None:
        _check_labels(labels, len(images), len(val))
        val = val, labels[1]
    _lay_out(model, torch.channels_last)
    run = _Run(model, config, images, folder, change, None if labels is None else labels[0])
    bar = tqdm(total=config.steps, initial=run.step, disable=not progress, unit="step", mininterval=1.0)
    started = time.perf_counter() - run.seconds
    while run.step < config.steps and run.stale < config.patience and not finish:
        losses = run.advance()
        bar.update()
        if run.step % config.validate_every == 0 or run.step == config.steps:
            run.seconds = time.perf_counter() - started
            record = run.validate(losses, val)
            bar.set_postfix(score=f"{record['score']:.4g}", best=f"{run.best_score:.4g}")
            if on_validation:
                on_validation(run.step, run.average)
            run.save()
    bar.close()
    model.load_state_dict(run.best if config.keep == "best" else run.average.state_dict())
    _lay_out(model, torch.contiguous_format)
    ended = "patience" if run.stale >= config.patience else "budget" if run.step >= config.steps else "by hand"
    return {
        "history": run.history,
        "best_step": run.best_step,
        "best_score": run.best_score,
        "kept_step": run.best_step if config.keep == "best" else run.step,
        "steps": run.step,
        "stopped": ended,
        "seconds": round(run.seconds, 1),
    }


def _lay_out(model: Trainable, layout: torch.memory_format) -> None:
    """Where the weights of convolutions lie: with the channels last, a step takes up to a quarter less time."""
    for weights in model.parameters():
        if weights.dim() == 4:
            weights.data = weights.data.contiguous(memory_format=layout)


def _check_labels(labels, *counts: int) -> None:
    """Raise unless there are whole numbers, one for each image."""
    found = labels if isinstance(labels, tuple) else ()
    shapes = [tuple(v.shape) for v in found if isinstance(v, Tensor) and not v.is_floating_point()]
    if shapes != [(n,) for n in counts]:
        raise ValueError(
            f"'labels' must be two tensors of {counts[0]} and {counts[1]} whole numbers, one for each image"
        )


class _Run:
    """The state of a training run: all of it goes into the checkpoint."""

    def __init__(
        self,
        model: Trainable,
        config: TrainConfig,
        images: Tensor,
        folder: str | Path | None,
        change: Change | None = None,
        labels: Tensor | None = None,
    ) -> None:
        self.model, self.config = model.train(), config
        self.average = copy.deepcopy(model).freeze()
        self.optimisers = {
            name: torch.optim.Adam(parameters, lr=config.lr, betas=config.betas)
            for name, parameters in model.trained().items()
        }
        self.batches = _Batches(images, config.batch_size, config.seed, change, labels)
        self.generator = torch.Generator(images.device).manual_seed(config.seed)
        self.step, self.seconds, self.stale, self.history = 0, 0.0, 0, []
        self.best, self.best_step, self.best_score = copy.deepcopy(model.state_dict()), 0, math.inf
        self.path = Path(folder) / "checkpoint.pt" if folder is not None else None
        if self.path is not None and self.path.is_file():
            self._resume()

    def advance(self) -> dict:
        """One step of the optimiser and of the moving average."""
        config = self.config
        if config.cosine:
            for optimiser in self.optimisers.values():
                for group in optimiser.param_groups:
                    group["lr"] = config.lr * 0.5 * (1 + math.cos(math.pi * self.step / config.steps))
        first = self.step * self.model.batches_per_step(config)
        losses = self.model.step(lambda i: self.batches[first + i], self._update, config, self.generator)
        self.step += 1
        # A short memory at first, so that early averages are not stuck at the initial weights.
        weight = 1 - min(config.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), [p.detach() for p in self.model.parameters()], weight)
        return losses

    def _update(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    @torch.no_grad()
    def validate(self, losses: dict, val: Tensor | tuple[Tensor, Tensor]) -> dict:
        """Score the moving average, remember it if it is the best so far."""
        record = {name: round(float(value.detach()), 6) for name, value in losses.items()}
        if not all(map(math.isfinite, record.values())):
            raise ValueError(f"training diverged at step {self.step}: {record}; the last checkpoint is intact")
        score = self.average.validation_score(val, torch.Generator(self.generator.device).manual_seed(self.config.seed))
        if score < self.best_score:
            self.best, self.best_step, self.best_score = (
                copy.deepcopy(self.average.state_dict()),
                self.step,
                score,
            )
            self.stale = 0
        else:
            self.stale += 1
        self.history.append({"step": self.step, "seconds": round(self.seconds, 1), **record, "score": round(score, 6)})
        return self.history[-1]

    def _identity(self) -> dict:
        found = {
            "model": self.model.settings(),
            "train": asdict(self.config),
            "images": len(self.batches.images),
        }
        change = self.batches.change
        return found if change is None else found | {"change": change.__name__}

    def save(self) -> None:
        """Write the checkpoint; a kill at any moment leaves either the old or the new one."""
        if self.path is None:
            return
        state = {
            "identity": self._identity(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
            "generator": self.generator.get_state(),
            "numbers": [self.step, self.seconds, self.stale, self.best_step, self.best_score],
            "history": self.history,
        }
        with atomic(self.path) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        try:
            state = torch.load(self.path, map_location=self.batches.images.device, weights_only=True)
        except Exception as error:
            raise ValueError(
                f"{self.path} is not a readable checkpoint; move it away to start anew: {error}"
            ) from error
        found, wanted = state["identity"], self._identity()
        if repr(found) != repr(wanted):
            raise ValueError(f"{self.path} belongs to another run: it has {found}, this run is {wanted}")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best = state["best"]
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.generator.set_state(state["generator"].cpu())
        self.step, self.seconds, self.stale, self.best_step, self.best_score = state["numbers"]
        self.history = state["history"]


def train_recipe(
    name: str, folder: Path, device: str = "cpu", ship: bool = False, finish: bool = False, seed: int = 0
) -> dict:
    """Train what ``RECIPES[name]`` describes on its data set, and store weights and report.

    ``seed`` is that of the first weights and of everything drawn on the way; each has a folder of its own.
    """
    from ..data.brain import brain_fold
    from ..data.load import load
    from . import zoo

    if ship:
        zoo.check_shipped_seed(name, seed)
    recipe, origin, run = RECIPES[name], provenance(device), zoo.numbered(name, seed)
    recipe = replace(recipe, train=replace(recipe.train, seed=seed))
    data = load(recipe.data, full=recipe.full) if recipe.without is None else brain_fold(recipe.without, recipe.full)
    images = data.train if recipe.images is None else evenly_spaced(data.train, recipe.images)
    model = build(recipe.model, seed=recipe.train.seed)
    if recipe.mean is not None:
        model.take_mean(zoo.pretrained(recipe.mean, verbose=False))
    model = model.placed(device)
    report = train(
        model,
        images.to(device),
        data.val.to(device),
        recipe.train,
        folder / run,
        finish=finish,
        change=augment if recipe.augmented else quarter_turns if recipe.turned else None,
        labels=(data.train_labels.to(device), data.val_labels.to(device)) if recipe.labelled else None,
    )
    if recipe.standardised:
        change = _standardise(model, recipe, images.to(device))
        if recipe.model.variant != LOCAL:  # there it is legible in the networks, as a layer
            report["standardised_by"] = change
        report["standardised_score"] = round(validation_score(model, data.val.to(device), recipe.train.seed), 6)
    record = {
        "name": name,
        "data": data.source.split(" (")[0].removeprefix(f"{cache_dir()}{os.sep}"),
        "n_train": len(images),
        "train": asdict(recipe.train),
    }
    if recipe.mean is not None:
        record["mean"] = recipe.mean
    if data.subjects:
        record["subjects"] = {split: sorted(set(names)) for split, names in data.subjects.items()}
    zoo.save(model, folder / run / "weights.safetensors", {**record, "report": report, **origin})
    if ship:
        zoo.ship(name, folder / run / "weights.safetensors", seed=seed)
    return report


def evenly_spaced(images: Tensor, n: int) -> Tensor:
    """n of the images: neighbouring slices of a scan are alike, so that the first n would be a worse choice."""
    if n > len(images):
        raise ValueError(f"'n' must be at most the {len(images)} images that there are, got {n}")
    return images[torch.linspace(0, len(images) - 1, n).round().long()]


def _standardise(model: VAE, recipe: Recipe, images: Tensor) -> dict:
    """Fit the prior to the codes of the images that ``model`` was trained on, augmented ones in ``ROUNDS`` variations.

    Returns m and T: the latent variables in which it was trained are m + T z.
    """
    generator = torch.Generator().manual_seed(recipe.train.seed)
    rounds = [augment(images, generator) for _ in range(ROUNDS)] if recipe.augmented else [images]
    m, T = model.standardise(torch.cat(rounds))
    return {"m": [round(v, 6) for v in m.tolist()], "T": [[round(v, 6) for v in row] for row in T.tolist()]}
