"""The trainer: it learns, it stops, and a kill at any moment loses nothing."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from registry import seeded
from scipy.optimize import linear_sum_assignment

from course_utils import load
from course_utils._files import read_json
from course_utils.generators import GeneratorConfig, build
from course_utils.training import trainer as training
from course_utils.training import zoo
from course_utils.training.augment import augment, quarter_turns
from course_utils.training.learned_recipes import LEARNED
from course_utils.training.trainer import RECIPES, TrainConfig, train, validation_score

FAMILIES = ("ae", "vae", "wgan")


@pytest.fixture(scope="module")
def digits():
    d = load("mnist")
    return d.train[:512], d.val[:128]


def config(**changes):
    return TrainConfig(**({"steps": 6, "batch_size": 32, "validate_every": 2, "seed": 3} | changes))


@pytest.mark.parametrize("family", ["ae", "vae"])
@pytest.mark.slow
def test_training_lowers_the_loss(family, digits):
    model = build(GeneratorConfig(family, 4), seed=0)
    before = validation_score(model, digits[1])
    report = train(model, *digits, config(steps=60, batch_size=64, validate_every=20), progress=False)
    assert validation_score(model, digits[1], seed=3) == pytest.approx(report["best_score"], rel=1e-5)
    assert report["best_score"] < 0.8 * before
    assert report["stopped"] == "budget" and report["steps"] == 60


@pytest.mark.slow
def test_training_a_gan_brings_samples_nearer(digits):
    model = build(GeneratorConfig("wgan", 4), seed=0)
    before = validation_score(model, digits[1])
    settings = config(steps=20, batch_size=64, validate_every=10, lr=1e-3, betas=(0.0, 0.9))
    report = train(model, *digits, settings, progress=False)
    assert report["best_score"] < 0.9 * before
    assert {"critic", "distance", "penalty", "generator"} <= set(report["history"][-1])


def test_last_weights_are_kept_where_the_settings_say_so(digits):
    kept, reports = {}, {}
    for keep in ("best", "last"):
        model = build(GeneratorConfig("ae", 2), seed=0)
        # So large a step makes the loss rise at once: the best weights are not the last.
        reports[keep] = train(model, *digits, config(lr=3.0, keep=keep), progress=False)
        kept[keep] = validation_score(model, digits[1], seed=3)
    assert reports["best"]["kept_step"] == reports["best"]["best_step"] < 6 == reports["last"]["kept_step"]
    assert kept["best"] < kept["last"]
    assert kept["best"] == pytest.approx(reports["best"]["best_score"], rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_weights_and_global_seed_untouched(family, digits):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    runs = []
    for seed in (3, 3, 4):
        model = build(GeneratorConfig(family, 2), seed=0)
        train(model, *digits, config(steps=2, seed=seed, critic_steps=2), progress=False)
        runs.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    assert torch.equal(torch.rand(3), expected)


class _Killed(Exception):
    """Stands for a kill: raised right after a checkpoint was written."""


def _die_after_step_4(monkeypatch):
    from course_utils.training import trainer as training

    save = training._Run.save

    def save_and_die(self):
        save(self)
        if self.step == 4:
            raise _Killed

    monkeypatch.setattr(training._Run, "save", save_and_die)


@pytest.mark.parametrize("family", FAMILIES)
def test_interrupted_run_ends_as_the_undisturbed_one(family, digits, tmp_path, monkeypatch):

    def fresh():
        return build(GeneratorConfig(family, 2), seed=0)

    undisturbed = fresh()
    whole = train(undisturbed, *digits, config(critic_steps=2), progress=False)

    _die_after_step_4(monkeypatch)
    with pytest.raises(_Killed):
        train(fresh(), *digits, config(critic_steps=2), tmp_path, progress=False)
    monkeypatch.undo()
    resumed = fresh()
    rest = train(resumed, *digits, config(critic_steps=2), tmp_path, progress=False)
    for key, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    strip = [{k: v for k, v in record.items() if k != "seconds"} for record in whole["history"]]
    assert strip == [{k: v for k, v in record.items() if k != "seconds"} for record in rest["history"]]


def test_changed_images_are_a_function_of_seed_and_step(digits, tmp_path, monkeypatch):
    """An interrupted run sees the images that the undisturbed one sees; and others than without a change."""

    seen = []

    def noted(x, generator):
        seen.append(augment(x, generator))
        return seen[-1]

    def run(folder=None, **changes):
        seen.clear()
        train(build(GeneratorConfig("ae", 2), seed=0), *digits, config(**changes), folder, progress=False, change=noted)
        return list(seen)

    whole = run()
    _die_after_step_4(monkeypatch)
    with pytest.raises(_Killed):
        run(tmp_path)
    first = list(seen)
    monkeypatch.undo()
    rest = run(tmp_path)
    assert len(first) == 4 and len(rest) == 2
    assert all(torch.equal(a, b) for a, b in zip(whole, first + rest, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(whole, run(seed=4), strict=True))
    with pytest.raises(ValueError, match="belongs to another run"):
        train(build(GeneratorConfig("ae", 2), seed=0), *digits, config(), tmp_path, progress=False)


SCRIPT = """
import torch
from course_utils import load
from course_utils.generators import GeneratorConfig, build
from course_utils.training import TrainConfig, train
torch.set_num_threads(1)
d = load("mnist")
model = build(GeneratorConfig("vae", 2), seed=0)
config = TrainConfig(steps={steps}, batch_size=32, validate_every=2)
train(model, d.train[:512], d.val[:64], config, {folder!r}, progress=False)
torch.save(model.state_dict(), {out!r})
"""


@pytest.mark.slow
def test_a_killed_process_loses_nothing(tmp_path):
    """SIGKILL while it trains; the second run goes on from the checkpoint and gives the same weights."""

    def start(folder, out):
        code = SCRIPT.format(steps=40, folder=str(folder), out=str(out))
        return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})

    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    victim = start(tmp_path / "killed", tmp_path / "never.pt")
    deadline = time.monotonic() + 120
    while not checkpoint.is_file() and time.monotonic() < deadline and victim.poll() is None:
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert checkpoint.is_file() and not (tmp_path / "never.pt").exists()
    assert 0 < torch.load(checkpoint, weights_only=True)["numbers"][0] < 40
    outs = []
    for name in ("killed", "undisturbed"):
        out = tmp_path / f"{name}.pt"
        assert start(tmp_path / name, out).wait() == 0
        outs.append(torch.load(out, weights_only=True))
    assert all(torch.equal(outs[0][key], outs[1][key]) for key in outs[0])


def test_patience_ends_a_run_that_no_longer_improves(digits):
    model = build(GeneratorConfig("ae", 2), seed=0)
    report = train(model, *digits, config(steps=1_000, validate_every=1, patience=3, lr=0.0), progress=False)
    assert report["stopped"] == "patience" and report["steps"] <= 5


def test_a_run_can_be_ended_by_hand(digits, tmp_path):
    settings = config(steps=1_000, validate_every=1, patience=2, lr=0.0)
    train(build(GeneratorConfig("ae", 2), seed=0), *digits, settings, tmp_path, progress=False)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    checkpoint["numbers"][2] = 0  # not yet out of patience
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    model = build(GeneratorConfig("ae", 2), seed=1)
    report = train(model, *digits, settings, tmp_path, progress=False, finish=True)
    assert report["stopped"] == "by hand" and report["steps"] == checkpoint["numbers"][0]
    assert all(torch.equal(v, checkpoint["best"][k]) for k, v in model.state_dict().items())


def test_checkpoint_of_another_run_is_refused_and_kept(digits, tmp_path):
    model = build(GeneratorConfig("ae", 2), seed=0)
    train(model, *digits, config(), tmp_path, progress=False)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ValueError, match="belongs to another run"):
        train(model, *digits, config(lr=0.5), tmp_path, progress=False)
    with pytest.raises(ValueError, match="belongs to another run"):
        train(build(GeneratorConfig("vae", 2), seed=0), *digits, config(), tmp_path, progress=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    (tmp_path / "checkpoint.pt").write_bytes(before[:500])
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        train(model, *digits, config(), tmp_path, progress=False)


def test_divergence_is_said_and_the_checkpoint_stays(digits, tmp_path):
    settings = config(steps=40, lr=1e9, cosine=False)
    with pytest.raises(ValueError, match="training diverged at step"):
        train(build(GeneratorConfig("vae", 2), seed=0), *digits, settings, tmp_path, progress=False)
    if (tmp_path / "checkpoint.pt").is_file():
        torch.load(tmp_path / "checkpoint.pt", weights_only=True)


def test_gan_score_is_the_earth_movers_distance(digits):
    """Two samples of equal size: the optimal plan is an assignment, which scipy finds too."""
    model = build(GeneratorConfig("wgan", 2), seed=0)
    val = digits[1][:16]
    fake = model.sample(16, seeded(0)).flatten(1).double()
    cost = (val.flatten(1).double()[:, None] - fake[None]).pow(2).sum(2)
    rows, columns = linear_sum_assignment(cost.numpy())
    assert validation_score(model, val) == pytest.approx(float(cost[rows, columns].mean()), rel=1e-6)


def test_bad_input(digits):
    model = build(GeneratorConfig("ae", 2), seed=0)
    images, val = digits
    with pytest.raises(ValueError, match=r"'images' must have shape \(B, 1, 28, 28\)"):
        train(model, images[:, :, :20], val, config(), progress=False)
    with pytest.raises(TypeError, match="'val' must have dtype"):
        train(model, images, val.double(), config(), progress=False)
    with pytest.raises(ValueError, match="'images' must be finite"):
        train(model, images * torch.nan, val, config(), progress=False)
    with pytest.raises(ValueError, match="'steps' must be at least 1"):
        TrainConfig(steps=0)
    with pytest.raises(ValueError, match="'lr' must be finite and >= 0"):
        TrainConfig(steps=1, lr=-1.0)


def test_recipes_stay_within_the_papers_budget():
    """MNIST: 30,000 steps of 64 (GAN: 20,000); Shapes: 30,000 steps of 32 (GAN: of 50)."""
    budget = {"mnist": (30_000 * 64, 20_000 * 64), "shapes": (30_000 * 32, 30_000 * 50)}
    for name, recipe in RECIPES.items():
        if recipe.data == "brain" or recipe.labelled or name in LEARNED:  # not the paper's
            continue
        family, data, dimension = name.split("-")[:3]
        assert (recipe.model.family, recipe.data, recipe.model.latent_dim) == (family, data, int(dimension)), name
        assert recipe.model.size == {"mnist": 28, "shapes": 56}[data]
        most = budget[data][recipe.model.family == "wgan"]
        assert recipe.train.steps * recipe.train.batch_size <= most, name


def test_recipes_for_brains():
    """Trained on what is shipped, augmented; the three models of the covariance differ in it alone."""
    brains = {name: recipe for name, recipe in RECIPES.items() if recipe.data == "brain" and name[:3] != "vn-"}
    for without in (None, "Colin27", "ITK"):
        fold = {name: recipe for name, recipe in brains.items() if recipe.without == without}
        assert [recipe.model.family for recipe in fold.values()] == ["vae", "identity", "diagonal", "covariance"]
        mean = next(iter(fold))
        for name, recipe in fold.items():
            assert name.startswith(f"{recipe.model.family}-brain-{recipe.model.latent_dim}")
            assert name.endswith(f"-without-{without}") or without is None
            assert recipe.model.size == 128 and recipe.augmented and not recipe.full
            assert recipe.mean == (None if name == mean else mean)
            build(recipe.model, seed=0).take_mean(build(fold[mean].model, seed=1)) if recipe.mean else None
    assert len(brains) == 12
    with pytest.raises(ValueError, match="'without' must be one of 'S1', 'Colin27', 'ITK', got 'S2'"):
        replace(next(iter(brains.values())), without="S2")


def test_recipes_for_variational_networks():
    """Each is trained at one place, which its name tells; all else is alike."""
    found = {name: recipe for name, recipe in RECIPES.items() if name.startswith("vn-")}
    assert len(found) == 3 and len({(r.model.spokes, r.model.sigma) for r in found.values()}) == 3
    for name, recipe in found.items():
        assert name == f"vn-{recipe.data}-{recipe.model.spokes}-{recipe.model.sigma}" and recipe.model.size == 128
        assert recipe.augmented and not recipe.full
        assert recipe.train == next(iter(found.values())).train


def test_a_variational_network_is_trained_by_its_recipe(tmp_path, monkeypatch):
    recipe = RECIPES["vn-brain-25-0.05"]
    small = replace(
        recipe, model=replace(recipe.model, steps=1, filters=2, width=3), train=TrainConfig(steps=2, batch_size=2)
    )
    monkeypatch.setitem(training.RECIPES, "vn-brain-25-0.05", small)
    report = training.train_recipe("vn-brain-25-0.05", tmp_path)
    zoo.ship("vn-brain-25-0.05", tmp_path / "vn-brain-25-0.05" / "weights.safetensors", folder=tmp_path / "zoo")
    network = zoo.pretrained("vn-brain-25-0.05", verbose=False, folder=tmp_path / "zoo")
    assert network.config == small.model and report["steps"] == 2


def test_a_recipe_may_take_few_images_and_turn_them(tmp_path, monkeypatch):
    """What a network saw is written on its card, and is what it was trained on."""
    seen = {}

    def watch(model, images, val, config, folder, change=None, **rest):
        seen.update(images=images, change=change)
        return train(model, images, val, config, folder, progress=False, change=change)

    recipe = RECIPES["augmented-shapes"]
    small = replace(
        recipe, model=replace(recipe.model, channels=4, blocks=1), images=3, train=TrainConfig(steps=2, batch_size=1)
    )
    monkeypatch.setitem(training.RECIPES, "augmented-shapes", small)
    monkeypatch.setattr(training, "train", watch)
    training.train_recipe("augmented-shapes", tmp_path)
    shapes = load("shapes").train
    assert torch.equal(seen["images"], shapes[[0, 5000, len(shapes) - 1]]) and seen["change"] is quarter_turns
    assert read_json(tmp_path / "augmented-shapes" / "weights.json")["n_train"] == 3
    with pytest.raises(ValueError, match="'turned' and 'augmented' must not both be True"):
        replace(recipe, augmented=True)
    monkeypatch.setitem(training.RECIPES, "augmented-shapes", replace(small, images=10**6))
    with pytest.raises(ValueError, match="'n' must be at most the 10000 images that there are, got 1000000"):
        training.train_recipe("augmented-shapes", tmp_path / "other")
