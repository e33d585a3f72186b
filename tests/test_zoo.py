"""Shipped weights: verified before use, light, and float16 on disk changes nothing that one can see."""

import shutil

import pytest
import torch
from registry import seeded
from safetensors import safe_open

from course_utils import available, load, pretrained
from course_utils._files import IntegrityError, read_json, sha256, write_json
from course_utils.data.brain import FOLDS, brain_fold
from course_utils.families import configure
from course_utils.generators import GeneratorConfig, StructuredConfig, build
from course_utils.training import zoo
from course_utils.training.trainer import RECIPES, validation_score

NAMES, NETWORKS = available(), available("network")
#: Networks of learned reconstruction that are no reconstructors themselves.
PARTS = [name for kind in ("denoiser", "regulariser", "prior") for name in available(kind)]


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped weights that a test may damage."""
    return shutil.copytree(zoo.FOLDER, tmp_path / "weights")


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_generator_loads(name, capsys):
    family, data, dimension = name.split("-")[:3]
    n_train, size = {"mnist": ("58,000", 28), "shapes": ("60,000", 56), "brain": ("141", 128)}[data]
    if name.endswith("-without-Colin27"):  # then another head trains, of which there are fewer slices
        n_train = "35"
    G = pretrained(name)
    said = capsys.readouterr().out
    assert name in said and f"trained on {n_train} images" in said
    assert not any(p.requires_grad for p in G.parameters()) and not G.training
    assert G.config.family == family
    assert G(torch.zeros(2, int(dimension))).shape == (2, 1, size, size)


def test_the_main_generators_are_shipped_and_every_shipped_one_has_a_recipe():
    assert {f"{family}-{data}" for family in ("ae", "vae", "wgan") for data in ("mnist-8", "shapes-10")} <= set(NAMES)
    assert set(NAMES + NETWORKS + PARTS) <= set(RECIPES)
    for name in NAMES + NETWORKS + PARTS:
        assert configure(zoo.card(name)["model"]) == RECIPES[name].model, name


@pytest.mark.parametrize("name", PARTS + [name for name in NETWORKS if "-brain-" not in name])
def test_a_network_of_learned_reconstruction_gives_finite_numbers(name):
    N = pretrained(name, verbose=False)
    assert not any(p.requires_grad for p in N.parameters())
    x = load(RECIPES[name].data).val[:2]
    assert torch.isfinite(torch.tensor(validation_score(N, x)))


@pytest.mark.parametrize("name", NAMES + NETWORKS + PARTS)
def test_card_tells_how_it_was_trained(name):
    card = zoo.card(name)
    report = card["report"]
    best = min(report["history"], key=lambda record: record["score"])
    assert best["step"] == report["best_step"] and best["score"] == pytest.approx(report["best_score"], abs=1e-6)
    assert report["steps"] <= card["train"]["steps"] and report["stopped"] in ("budget", "patience", "by hand")
    assert {"commit", "date", "machine", "versions"} <= set(card)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("where", [0, 100, -1])
def test_a_flipped_bit_is_refused(folder, suffix, where):
    flip(folder / f"vae-mnist-8{suffix}", where)
    with pytest.raises(IntegrityError, match=f"vae-mnist-8{suffix} is damaged or altered"):
        pretrained("vae-mnist-8", folder=folder)
    pretrained("ae-mnist-8", folder=folder, verbose=False)  # the others are not touched


def test_a_short_or_missing_file_is_named(folder):
    path = folder / "vae-mnist-8.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match=r"damaged or altered \(1000 bytes\)"):
        pretrained("vae-mnist-8", folder=folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="vae-mnist-8.safetensors"):
        pretrained("vae-mnist-8", folder=folder)


def test_a_listed_file_that_is_not_safetensors_is_refused(folder):
    path = folder / "vae-mnist-8.safetensors"
    path.write_bytes(b"not tensors at all")
    manifest = read_json(folder / "manifest.json")
    manifest["vae-mnist-8"]["weights"] = sha256(path)
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(IntegrityError, match="is not a readable safetensors file"):
        pretrained("vae-mnist-8", folder=folder)


def test_of_the_many_names_those_are_listed_that_are_like_an_unknown_one():
    known = sorted(NAMES + NETWORKS + PARTS + available("classifier"))
    for wrong, meant in (("vae-mnist-9", "vae-mnist-8"), ("primal-dual", "primal-dual-shapes")):
        with pytest.raises(ValueError) as caught:
            pretrained(wrong)
        assert f"'name' must be one of {len(known)} names" in str(caught.value) and repr(meant) in str(caught.value)
    with pytest.raises(ValueError, match=f"one of {len(known)} names, none like it, for example '{known[0]}'"):
        pretrained("%%%")
    with pytest.raises(ValueError, match="'name' must be one of"):
        zoo.card("vae")


def test_float16_on_disk_changes_nothing_visible(tmp_path):
    """Weights of the size of trained ones: G moves by far less than the 1/255 of one grey level."""
    G = pretrained("vae-mnist-8", verbose=False)
    exact = build(GeneratorConfig("vae", 8), seed=0).freeze()
    exact.load_state_dict(
        {k: v * (1 + 2e-4 * torch.randn(v.shape, generator=seeded())) for k, v in G.state_dict().items()}
    )
    zoo.save(exact, tmp_path / "g.safetensors", {"report": {}})
    zoo.ship("g", tmp_path / "g.safetensors", folder=tmp_path / "zoo")
    again = pretrained("g", folder=tmp_path / "zoo", verbose=False)
    z = exact.sample_latent(64, seeded(1))
    assert 0 < float((exact(z) - again(z)).abs().max()) < 0.5 / 255


def test_weights_are_light_and_safe():
    files = [path for path in zoo.FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    assert sum(path.stat().st_size for path in files) < 40e6
    for name in NAMES + NETWORKS + PARTS:
        with safe_open(zoo.FOLDER / f"{name}.safetensors", "pt") as archive:
            assert all(archive.get_tensor(key).dtype == torch.float16 for key in archive.keys())


def test_a_mean_that_was_taken_over_is_stored_once(tmp_path):
    vae, G = build(GeneratorConfig("vae", 2), seed=1), build(StructuredConfig("diagonal", 2), seed=0)
    G.take_mean(vae)
    G.covariance_decoder[-1].bias.data.fill_(0.5)
    report = {"n_train": 3, "date": "", "train": {"steps": 1}}
    report["report"] = {"kept_step": 1, "best_step": 1, "seconds": 1, "history": [{"step": 1, "score": 0.0}]}
    for name, model, more in (("vae-a", vae, {}), ("diagonal-a", G, {"mean": "vae-a"})):
        zoo.save(model, tmp_path / f"{name}.safetensors", report | more)
        zoo.ship(name, tmp_path / f"{name}.safetensors", folder=tmp_path / "zoo")
    with safe_open(tmp_path / "zoo" / "diagonal-a.safetensors", "pt") as archive:
        assert {key.partition(".")[0] for key in archive.keys()} == {"covariance_decoder"}
    mean, again = (pretrained(n, folder=tmp_path / "zoo", verbose=False) for n in ("vae-a", "diagonal-a"))
    z = torch.randn(3, 2, generator=seeded())
    assert torch.equal(again(z), mean(z)) and torch.equal(again.encode(mean(z)), mean.encode(mean(z)))
    assert float(again.covariance_decoder[-1].bias[0]) == 0.5


def test_shipping_replaces_one_entry_only(folder, tmp_path):
    before = read_json(folder / "manifest.json")
    zoo.save(build(GeneratorConfig("ae", 2), seed=1), tmp_path / "new.safetensors", {"report": {}})
    zoo.ship("ae-mnist-2", tmp_path / "new.safetensors", folder=folder)
    after = read_json(folder / "manifest.json")
    assert {k: after[k] for k in before} == before and set(after) - set(before) == {"ae-mnist-2"}


# Who trained them


def test_a_network_that_has_seen_the_test_head_is_refused_by_name():
    for name in (n for kind in ("generator", "network") for n in zoo.available(kind) if "-brain-" in n):
        test = RECIPES[name].without or "S1"
        trained, validated = FOLDS[test]
        assert zoo.check_unseen(name, test) == name
        with pytest.raises(ValueError, match=f"must be a network that has not seen {trained}, who trained {name}"):
            zoo.check_unseen(name, trained)
        with pytest.raises(ValueError, match=f"has not seen {validated}, who validated"):
            zoo.check_unseen(name, validated)
    with pytest.raises(ValueError, match="'name' must be a network whose subjects are known, got vae-mnist-8"):
        zoo.check_unseen("vae-mnist-8", "S1")


def test_the_cards_of_brains_say_who_is_in_each_split():
    split = {part: sorted(set(names)) for part, names in load("brain").subjects.items()}
    for name in (n for n in zoo.available() if "-brain-" in n):
        fold = brain_fold(RECIPES[name].without or "S1")
        assert zoo.card(name)["subjects"] == {part: sorted(set(names)) for part, names in fold.subjects.items()}
    assert all(zoo.card(name)["subjects"] == split for name in zoo.available("network") if "-brain-" in name)
