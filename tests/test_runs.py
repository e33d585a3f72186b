"""Several training runs of one recipe, the laws of z that are fitted to what they encode, and the judges of samples."""

import math
import sys
from dataclasses import replace

import pytest
import torch
from registry import seeded

from course_utils import load, pretrained
from course_utils._files import read_json
from course_utils.data.dataset import Dataset
from course_utils.figures import sheets
from course_utils.generators import GeneratorConfig, build
from course_utils.properties import energy_test, judge, latent_draws, latents_of, range_errors, two_shapes
from course_utils.properties.judge import digit_judge
from course_utils.training import trainer, zoo
from course_utils.training.__main__ import main, runs
from course_utils.training.recipes import RECIPES, SEEDED, SEEDS

# Runs


@pytest.fixture
def small(monkeypatch):
    """A recipe that takes a second."""
    digits = load("mnist")
    part = digits.train[:64], digits.val[:32], digits.test[:32]
    labels = digits.train_labels[:64], digits.val_labels[:32], digits.test_labels[:32]
    data = Dataset("mnist", *part, *labels, "a few digits", "as the others")
    monkeypatch.setattr(sys.modules["course_utils.data.load"], "load", lambda name, full=False: data)
    for name in ("vae-mnist-8", "judge-mnist"):
        recipe = RECIPES[name]
        quick = replace(recipe.train, steps=2, batch_size=16, validate_every=1)
        monkeypatch.setitem(RECIPES, name, replace(recipe, train=quick))


def weights(folder):
    return (folder / "weights.safetensors").read_bytes()


def test_each_run_has_its_seed_and_a_folder_of_its_own(small, tmp_path):
    main(["vae-mnist-8", "--seed", "0", "--seed", "1", "--folder", str(tmp_path)])
    one, other = tmp_path / "vae-mnist-8", tmp_path / "vae-mnist-8-seed-1"
    assert weights(one) != weights(other)
    assert [read_json(f / "weights.json")["train"]["seed"] for f in (one, other)] == [0, 1]
    main(["vae-mnist-8", "--seed", "1", "--folder", str(tmp_path / "again")])
    assert weights(tmp_path / "again" / "vae-mnist-8-seed-1") == weights(other)


def test_the_list_tells_what_each_shipped_run_cost(capsys):
    main(["--list"])
    first, *lines = capsys.readouterr().out.splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines}
    shipped = [name for kind in zoo.KINDS for name in zoo.available(kind) if name in RECIPES]
    assert set(found) == {zoo.numbered(name, seed) for name in shipped for seed in zoo.shipped_seeds(name)}
    report = zoo.card("vae-mnist-8", 1)["report"]
    assert found["vae-mnist-8-seed-1"] == ["15,000", "15,000", f"{report['seconds'] / 60:.0f}", report["stopped"]]


def test_a_contact_sheet_shows_every_draw_and_no_choice_of_them(tmp_path):
    sheets.main([str(tmp_path), "vae-mnist-8"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "vae-mnist-8-seed-1.png", "vae-mnist-8-seed-2.png", "vae-mnist-8.png",
    ]  # fmt: skip
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 3
    G, x = pretrained("vae-mnist-8", verbose=False), load("mnist").test
    figure = sheets.contact_sheet(G, x)
    assert len(figure.axes) == 8
    first, second = (ax.images[0].get_array()[:, :28] for ax in figure.axes[:2])
    draws = G.sample(64, torch.Generator().manual_seed(0))
    assert torch.allclose(torch.tensor(first), draws[0, 0].double(), atol=1e-5)
    assert torch.allclose(torch.tensor(second), draws[16, 0].double(), atol=1e-5)
    assert len(sheets.contact_sheet(pretrained("wgan-mnist-8", verbose=False), x).axes) == 4
    with pytest.raises(ValueError, match=r"'images' must hold at least 32 images, got 3"):
        sheets.contact_sheet(G, x[:3])


def test_runs_are_shipped_beside_each_other_and_loaded_by_their_seed(small, tmp_path):
    shipped = tmp_path / "zoo"
    for seed in (0, 2):
        trainer.train_recipe("vae-mnist-8", tmp_path, seed=seed)
        zoo.ship("vae-mnist-8", tmp_path / zoo.numbered("vae-mnist-8", seed) / "weights.safetensors", shipped, seed)
    first, third = (pretrained("vae-mnist-8", folder=shipped, seed=seed, verbose=False) for seed in (0, 2))
    z = torch.zeros(1, 8)
    assert not torch.equal(first(z), third(z))
    with pytest.raises(ValueError, match=r"'seed' must be one of 0, 2, got 1"):
        pretrained("vae-mnist-8", folder=shipped, seed=1)
    with pytest.raises(ValueError, match="'name' must be one of 'vae-mnist-8', got 'vae-mnist-8-seed-2'"):
        pretrained("vae-mnist-8-seed-2", folder=shipped)


def test_a_run_that_would_not_be_shipped_is_refused_before_it_is_trained(tmp_path):
    for name, seed in (("vae-mnist-8", 3), ("vae-mnist-13", 1)):
        with pytest.raises(ValueError, match=f"'seed' must be one of .*, got {seed}"):
            trainer.train_recipe(name, tmp_path, seed=seed, ship=True)
    assert not list(tmp_path.iterdir())


def test_without_names_all_runs_are_trained_that_are_shipped():
    everything = runs([], None)
    assert len(set(everything)) == len(everything) == len(RECIPES) + len(SEEDED) * (len(SEEDS) - 1)
    assert set(zoo.shipped_seeds("vae-mnist-8")) <= set(SEEDS)


def test_a_standardised_run_says_from_which_variables_it_came(small, tmp_path):
    """G'(z) = G(m + T z): the weights of the checkpoint, as trained, draw the same."""
    report = trainer.train_recipe("vae-mnist-8", tmp_path)
    m, T = (torch.tensor(report["standardised_by"][key]) for key in "mT")
    trained = build(GeneratorConfig("vae", 8), seed=0)
    trained.load_state_dict(torch.load(tmp_path / "vae-mnist-8" / "checkpoint.pt", weights_only=True)["best"])
    zoo.ship("vae-mnist-8", tmp_path / "vae-mnist-8" / "weights.safetensors", tmp_path / "zoo")
    G, z = pretrained("vae-mnist-8", folder=tmp_path / "zoo", verbose=False), torch.randn(4, 8, generator=seeded())
    with torch.no_grad():
        assert torch.allclose(trained(m + z @ T.T), G(z), atol=2e-3)


# Labels and the judge


def test_a_classifier_is_trained_on_labels(small, tmp_path):
    report = trainer.train_recipe("judge-mnist", tmp_path)
    assert report["history"][0]["loss"] == pytest.approx(math.log(10), abs=0.3)
    digits = load("mnist")
    model = build(RECIPES["judge-mnist"].model, seed=0)
    with pytest.raises(ValueError, match="'labels' must be two tensors of 8 and 4 whole numbers"):
        trainer.train(model, digits.train[:8], digits.val[:4], RECIPES["judge-mnist"].train,
                      labels=(digits.train_labels[:8], digits.val_labels[:3]))  # fmt: skip


def test_the_judge_knows_digits_and_doubts_what_is_none():
    digits = load("mnist")
    some = digits.test[:2000]
    right = digit_judge()(some).argmax(1) == digits.test_labels[:2000]
    assert right.double().mean() > 0.98
    found = judge(some)
    assert found.sure > 0.93 and float(found.classes.sum()) == pytest.approx(1)
    assert found.error == pytest.approx(math.sqrt(found.sure * (1 - found.sure) / 2000))
    pairs = 0.5 * (some[::2] + some[1::2])  # two digits over each other
    assert judge(pairs).sure < 0.6
    assert judge(torch.zeros(3, 1, 28, 28)).sure == 0
    with pytest.raises(ValueError, match="'x' must hold at least one image"):
        judge(some[:0])


def test_two_shapes_sees_what_is_missing_and_what_is_too_much():
    x = load("shapes").test[:300]
    assert two_shapes(x).double().mean() > 0.98
    rows, columns = torch.meshgrid(torch.arange(56), torch.arange(56), indexing="ij")

    def disc(row, column, radius):
        return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).float()

    def block(top, left, height, width):
        return ((rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)).float()

    ellipse = ((rows - 40) ** 2 / 12**2 + (columns - 40) ** 2 / 6**2 <= 1).float()
    cases = {
        "as it should be": (block(5, 5, 9, 12) + disc(38, 38, 8), True),
        "a circle alone": (disc(38, 38, 8), False),
        "two circles": (disc(12, 12, 7) + disc(38, 38, 8), False),
        "two rectangles": (block(5, 5, 9, 12) + block(30, 30, 9, 9), False),
        "a third": (block(5, 5, 9, 12) + disc(38, 38, 8) + disc(12, 45, 3), False),
        "a speck beside them": (block(5, 5, 9, 12) + disc(38, 38, 8) + disc(12, 45, 1.0), False),
        "one bright pixel": (block(5, 5, 9, 12) + disc(38, 38, 8) + block(50, 3, 1, 1), True),
        "an ellipse": (block(5, 5, 9, 12) + ellipse, False),
        "too dark": (0.4 * (block(5, 5, 9, 12) + disc(38, 38, 8)), False),
    }
    found = two_shapes(torch.stack([0.5 * image for image, _ in cases.values()])[:, None]).tolist()
    assert dict(zip(cases, found, strict=True)) == {name: wanted for name, (_, wanted) in cases.items()}


# Laws of z


@pytest.mark.slow
def test_a_learned_law_is_nearer_than_a_gaussian_to_what_is_no_gaussian():
    side = torch.randint(0, 2, (2000, 1), generator=seeded()) * 6.0 - 3
    z = torch.randn(2000, 2, generator=seeded(1)) * 0.5 + side * torch.tensor([1.0, 0.5]) + torch.tensor([1.0, 2.0])
    draws = latent_draws(z, 1000, seeded(2), steps=800)
    apart = {law: energy_test(z[:1000], v, seeded(3), 1).statistic for law, v in draws.items()}
    assert apart["flow"] < 0.2 * apart["gaussian"] < 0.2 * apart["prior"]
    assert apart["aggregated"] < 0.05 * apart["gaussian"]
    assert torch.allclose(draws["gaussian"].mean(0), z.mean(0), atol=0.4)
    assert {tuple(row) for row in draws["aggregated"].tolist()} <= {tuple(row) for row in z.tolist()}


def test_latents_are_draws_of_the_posterior_encodings_or_the_best_found():
    x = load("mnist").test[:40]
    vae, ae, gan = (pretrained(f"{family}-mnist-8", verbose=False) for family in ("vae", "ae", "wgan"))
    mean, log_std = vae.posterior(x)
    scaled = (latents_of(vae, x, seeded()) - mean) / log_std.exp()
    assert abs(float(scaled.mean())) < 0.2 and float(scaled.std()) == pytest.approx(1, abs=0.15)
    assert torch.equal(latents_of(ae, x, seeded()), ae.encode(x))
    assert torch.equal(latents_of(gan, x[:2], seeded()), range_errors(gan, x[:2], seeded()).z)
    with pytest.raises(ValueError, match="'z' must hold more vectors than coordinates"):
        latent_draws(torch.zeros(3, 8), 10, seeded())
