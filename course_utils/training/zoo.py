"""The shipped weights: ``pretrained("vae-mnist-8")`` verifies, loads, and says where they came from.

Weights are safetensors only (float16 on disk); their SHA-256 stand in a manifest.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .._check import check_choice, check_device, check_flag, check_path, check_seed, check_text, default
from .._files import SHIPPED, IntegrityError, atomic, read_json, sha256, verify, write_json
from ..classifier import Classifier
from ..denoisers import Denoiser
from ..families import FAMILIES, Trainable, build, configure
from ..generators import Generator, ScoreModel, VelocityModel
from ..reconstructors import LearnedReconstructor
from ..regularisers.learned import RegulariserNetwork
from .recipes import RECIPES, SEEDED, SEEDS

__all__ = ["available", "card", "check_unseen", "pretrained", "shipped_seeds"]

FOLDER = SHIPPED / "weights"
#: Kind of what is shipped -> its base classes.
KINDS = {
    "generator": Generator,
    "network": LearnedReconstructor,
    "classifier": Classifier,
    "prior": (ScoreModel, VelocityModel),
    "denoiser": Denoiser,
    "regulariser": RegulariserNetwork,
}
MEAN = ("encoder.", "decoder.")  # what ``StructuredVAE.take_mean`` takes


def _manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    return read_json(path) if path.is_file() else {}


def _names(folder: Path, kind: str) -> list[str]:
    return sorted(name for name, entry in _manifest(folder).items() if entry.get("kind", "generator") == kind)


def available(kind: str = "generator") -> list[str]:
    """Names of what is shipped of one kind.

    Generators are called family-data-latent dimension, variational networks vn-data-spokes-sigma, others family-data.

    Parameters
    ----------
    kind : str
        "generator", "network" (a reconstructor), "classifier", "prior" of images (a diffusion or a flow), "denoiser"
        or "regulariser".

    Raises
    ------
    ValueError
        Any other kind.

    Example
    -------
    >>> "vae-mnist-8" in available(), "vn-brain-25-0.05" in available("network")
    (True, True)
    """
    check_choice("kind", kind, KINDS)
    return _names(FOLDER, kind)


def numbered(name: str, seed: int) -> str:
    """The name of the files of one training run."""
    return name if seed == 0 else f"{name}-seed-{seed}"


def shipped_seeds(name: str) -> tuple[int, ...]:
    """The training seeds with which a network is shipped: one alone, or three for the main generators.

    Networks of equal name differ in their first weights and in everything that was drawn in training.  What differs
    less between two families than between the seeds of one is no difference of the families.

    Example
    -------
    >>> 0 in shipped_seeds("vae-mnist-8")
    True
    """
    check_choice("name", name, [name for kind in KINDS for name in available(kind)])
    there = _manifest(FOLDER)
    return tuple(seed for seed in SEEDS if numbered(name, seed) in there)


def card(name: str, seed: int = 0) -> dict:
    """How a shipped generator or network was trained: configuration, budget, curves, machine, date, commit.

    Example
    -------
    >>> card("vae-mnist-8")["data"], card("vae-mnist-8")["model"]["latent_dim"]
    ('full MNIST', 8)
    """
    check_choice("seed", check_seed("seed", seed), shipped_seeds(name))
    return read_json(FOLDER / f"{numbered(name, seed)}.json")


def check_unseen(name: str, subject: str) -> str:
    """The name of a shipped network, if ``subject`` is neither among those who trained it nor who validated it.

    A test on a head that a network has seen measures memory.

    Raises
    ------
    TypeError, ValueError
        It is, or nobody wrote down who trained the network.

    Example
    -------
    >>> check_unseen("vn-brain-25-0.05", "S1")
    'vn-brain-25-0.05'
    """
    check_text("subject", subject)
    seen = card(name).get("subjects")
    if seen is None:
        raise ValueError(f"'name' must be a network whose subjects are known, got {name}")
    for split, does in (("train", "trained"), ("val", "validated")):
        if subject in seen[split]:
            raise ValueError(f"'name' must be a network that has not seen {subject}, who {does} {name}")
    return name


def pretrained(
    name: str, device: str | torch.device = "cpu", verbose: bool = True, folder: Path = FOLDER, seed: int = 0
) -> Trainable:
    """Load a shipped network of any kind, frozen and ready for use.

    Parameters
    ----------
    name : str
        One of ``available()``, for example "vae-mnist-8", or of ``available(kind)`` for another kind.
    device : str or torch.device
    verbose : bool
        Print one line of provenance.
    seed : int
        Which training run, one of ``shipped_seeds(name)``.

    Returns
    -------
    Generator, LearnedReconstructor, Classifier, ScoreModel, VelocityModel, Denoiser or RegulariserNetwork
        In evaluation mode, without gradients for its weights.

    Raises
    ------
    TypeError, ValueError
        Unknown name, a seed that was not shipped, a device that torch does not find here.
    FileNotFoundError
        Nothing was shipped in ``folder``.
    IntegrityError
        The weights, or the file that describes them, are damaged or altered.

    Example
    -------
    >>> G = pretrained("vae-mnist-8", verbose=False)
    >>> G(torch.zeros(1, 8)).shape
    torch.Size([1, 1, 28, 28])
    """
    device, verbose, folder = (
        check_device("device", device),
        check_flag("verbose", verbose),
        check_path("folder", folder),
    )
    state, description = _stored(name, folder, check_seed("seed", seed))
    model = build(configure(description["model"]), seed=0)
    if "mean" in description:
        model.take_mean(pretrained(description["mean"], verbose=False, folder=folder))
        state = model.state_dict() | state
    model.load_state_dict(state)
    if verbose:
        print(_provenance_line(numbered(name, seed), description))
    return model.placed(device).freeze()


def _stored(name: str, folder: Path, seed: int) -> tuple[dict, dict]:
    """Verified weights, in torch's default dtype, and the description beside them."""
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(f"'folder' must hold shipped weights, there is no manifest.json in {folder}")
    there = _manifest(folder)
    check_choice("name", name, sorted(key for key, entry in there.items() if entry.get("kind") != "seed"))
    check_choice("seed", seed, [k for k in SEEDS if numbered(name, k) in there])
    name = numbered(name, seed)
    entry = there[name]
    weights = verify(folder / f"{name}.safetensors", entry["weights"])
    description = read_json(verify(folder / f"{name}.json", entry["card"]))
    try:
        return {key: default(value) for key, value in load_file(weights).items()}, description
    except SafetensorError as error:
        raise IntegrityError(f"{weights} is not a readable safetensors file: {error}") from error


def _provenance_line(name: str, description: dict) -> str:
    report = description["report"]
    kept = report.get("kept_step", report["best_step"])  # older cards always kept the best
    score = next(record["score"] for record in report["history"] if record["step"] == kept)
    return (
        f"{name}: trained on {description['n_train']:,} images, step {kept:,} of at most "
        f"{description['train']['steps']:,} kept, validation score {score:.3f}, "
        f"{report['seconds'] / 60:.0f} min, {description['date']}"
    )


def save(model: Trainable, path: Path, description: dict) -> None:
    """Write weights (float16) to ``path`` and the description beside it, both atomically.

    Of a model that took its mean from another, what it took is not written again.
    """
    state = {key: value.detach().cpu().half().contiguous() for key, value in model.state_dict().items()}
    if "mean" in description:
        state = {key: value for key, value in state.items() if not key.startswith(MEAN)}
    with atomic(path) as temporary:
        save_file(state, temporary)
    write_json(path.with_suffix(".json"), {"model": model.settings(), **description})


def check_shipped_seed(name: str, seed: int) -> None:
    """Raise unless this training run may go into the package."""
    check_choice("name", name, RECIPES)
    check_choice("seed", seed, SEEDS if name in SEEDED else SEEDS[:1])


def ship(name: str, weights: Path, folder: Path = FOLDER, seed: int = 0) -> None:
    """Copy trained weights and their description into the package and enter them in the manifest."""
    _, model = FAMILIES[read_json(weights.with_suffix(".json"))["model"]["family"]]
    kind = next(kind for kind, base in KINDS.items() if issubclass(model, base))
    if seed:
        kind = "seed"
    entry = {} if kind == "generator" else {"kind": kind}
    name = numbered(name, seed)
    for part, source in (("weights", weights), ("card", weights.with_suffix(".json"))):
        target = folder / f"{name}{source.suffix}"
        with atomic(target) as temporary:
            temporary.write_bytes(source.read_bytes())
        entry[part] = sha256(target)
    write_json(folder / "manifest.json", _manifest(folder) | {name: entry})
