"""The tables of chapter 09: what is compared where, with which weights, and what the figures read from the record."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_utils.chapters.learned import claims, critics, digits, experiments, rivals, scans, tables, walks
from course_utils.chapters.learned.gallery import gallery
from course_utils.metrics import psnr
from course_utils.reconstructors import FilteredBackProjection, Reconstructor
from course_utils.regularisers import RegulariserNetwork
from course_utils.reproduce.methods import Method, tuned
from course_utils.reproduce.pictures import pack
from course_utils.training.recipes import RECIPES

SIZES = {"n_val": 3, "n_test": 6}


def test_every_network_has_a_recipe_for_this_home():
    for name in rivals.NETWORKS.values():
        model = RECIPES[name].model
        home = getattr(model, "home", None)
        assert home in (None, scans.SCAN)
    for name in digits.DIGIT_NETWORKS.values():
        assert RECIPES[name].model.home == digits.SENSING


def test_rivals_without_a_network_are_always_there(monkeypatch):
    monkeypatch.setattr(rivals, "available", lambda kind: [])
    assert rivals.present() == [name for name in rivals.RIVALS if name not in rivals.NETWORKS]
    assert set(rivals.RIVALS) == {name for group in rivals.GROUPS.values() for name in group}


def test_places_differ_from_home_in_what_they_say_alone():
    at = {name: scans.place(name, **SIZES) for name in scans.PLACES}
    home = at["home"]
    assert home.y.shape[1] == 30 and at["15 views"].y.shape[1] == 15 and at["60 views"].y.shape[1] == 60
    for name in ("15 views", "60 views", "half the noise", "twice the noise"):
        assert torch.equal(at[name].x, home.x)
    noise = {name: float((p.A(p.x) - p.y).std()) for name, p in at.items()}
    assert noise["half the noise"] == pytest.approx(0.05, rel=0.05) and noise["twice the noise"] == pytest.approx(
        0.2, rel=0.05
    )
    assert at["bright spot"].lesions.any() and at["chest"].lesions is None


def test_a_turn_of_45_degrees_twice_is_nearly_a_quarter_turn():
    x = scans.home(**SIZES).x
    apart = [float((scans.turned(scans.turned(x)) - torch.rot90(x, k, (2, 3))).square().mean()) for k in (1, -1, 0, 2)]
    assert min(apart) in apart[:2] and min(apart) < 0.1 * sorted(apart)[1]


def test_weights_are_those_of_home_or_tuned_again(monkeypatch):
    method = Method(
        "scaled FBP", "formula",
        lambda problem, cutoff: FilteredBackProjection("hann", cutoff), {"tomography": {"cutoff": 0.4}},
        limits={"cutoff": (0.1, 1.0)},
    )  # fmt: skip
    monkeypatch.setitem(rivals.RIVALS, "fbp", method)
    row = experiments.learned_job("fbp", **SIZES)
    assert list(row["places"]) == list(scans.PLACES) and "n_weights" not in row
    there = scans.place("twice the noise", **SIZES)
    x = FilteredBackProjection("hann", row["weights"]["cutoff"])(there.y, there.A)
    assert row["places"]["twice the noise"]["psnr"] == pytest.approx(psnr(x, there.x).tolist(), abs=0.02)
    again = experiments.learned_job("fbp", again="twice the noise", **SIZES)
    assert list(again["places"]) == ["twice the noise"] and again["weights"]["cutoff"] < row["weights"]["cutoff"]
    assert {"contrast"} <= set(row["places"]["bright spot"]) and "contrast" not in row["places"]["home"]
    assert {name for name, there in row["places"].items() if "example" in there} == set(experiments.PICTURED)


def test_digits_elsewhere():
    assert digits.digit_place("300 measurements", 2, 3).A.m == 300
    clothes = digits.digit_place("clothes", 2, 3)
    assert not torch.equal(clothes.x, digits.digit_place("home", 2, 3).x)
    row = experiments.digits_job("tv", 2, 3)
    assert list(row["places"]) == list(digits.DIGIT_PLACES)


# The record


def record(**gains):
    """A record in which each rival is ahead of TV by so much on the mean, with the same noise in every place."""
    noise = np.random.default_rng(0).normal(0, 1, 50)

    def row(rival, gain, again=None):
        where = list(scans.PLACES) if again is None else [again]
        places = {
            name: {
                "psnr": (20 + noise + gain).tolist(), "ssim": 0.5, "residual": 1.0, "cpu_ms": 1.0, "converged": 1.0,
                "warning": False, **({"contrast": [0.5]} if name == "bright spot" else {}),
            }
            for name in where
        }  # fmt: skip
        return {
            "rival": rival, "again": again, "label": rivals.RIVALS[rival].label, "training": "none", "tried": 3,
            "weights": {}, "at_edge_of_grid": [], "places": places,
        }  # fmt: skip

    rows = [row("tv", 0.0)] + [row(name, gain) for name, gain in gains.items()]
    rows += [row("tv", 1.0, again=place) for place in experiments.NOTICED]
    return {"rows": rows, "settings": {"groups": {name: rivals.group_of(name) for name in rivals.RIVALS}}}


def test_a_leader_leads_by_more_than_chance():
    found = record(proximal=2.0, fbp=-1.0)
    assert tables.leaders(found) == ["proximal"]
    level = record(proximal=2.0, fbp=-1.0)
    other = np.random.default_rng(1).normal(0, 1, 50)
    for there in level["rows"][0]["places"].values():  # TV: better on the mean by less than the images scatter
        there["psnr"] = (22.05 + other).tolist()
    assert set(tables.leaders(level)) == {"tv", "proximal"}


def test_home_comes_first_although_a_stored_record_is_sorted():
    stored = json.loads(json.dumps(record(fbp=-1.0), sort_keys=True))
    assert tables.places_in(stored) == list(scans.PLACES) and tables.learned_story(stored).startswith("home:")
    labels = [text.get_text() for text in tables.learned_figure(stored).axes[0].get_xticklabels()]
    assert labels[0] == "home"
    plt.close("all")


def test_story_figures_and_tables_read_the_record():
    found = record(proximal=2.0, fbp=-1.0)
    assert "home: learned proximal gradient (+2.0 dB against TV)" in tables.learned_story(found)
    assert "home: TV;" in tables.learned_story(record(fbp=-1.0))
    for draw in (tables.learned_figure, tables.retuned_figure, tables.digits_figure):
        figure = draw(found)
        assert len(figure.alt) > 60
        plt.close(figure)
    words = [text.get_text() for text in tables.learned_figure(found).axes[0].texts]
    assert words == ["+2.0"] * len(scans.PLACES) + ["-1.0"] * len(scans.PLACES)
    plt.close("all")
    found["rows"][1]["places"]["home"]["converged"] = 0.4
    assert "60 % not converged" in tables.at_home(found).data
    assert "learned proximal gradient" in tables.costs_table(found).data


def digits_record(**levels):
    """A record of digits in which each network has so many dB, everywhere."""
    noise = np.random.default_rng(2).normal(0, 1, 50)
    rows = [
        {"rival": name, "label": digits.DIGIT_RIVALS[name].label,
         "places": {place: {"psnr": (level + noise).tolist()} for place in digits.DIGIT_PLACES}}
        for name, level in levels.items()
    ]  # fmt: skip
    return {"rows": rows}


@pytest.mark.parametrize(("once", "often", "verdict"), [
    (22.0, 25.0, "agrees"), (20.0, 25.0, "agrees in part"), (20.0, 20.5, "does not"),
])  # fmt: skip
def test_the_claim_on_structure_is_read_from_the_record(once, often, verdict):
    networks = {"post-processing": once, "proximal": often, "primal-dual": often, "lista": often}
    found = claims.structure_claim(digits_record(tv=18.0, automap=21.0, **networks))
    assert found.verdict == verdict and f"{often - 21:+.1f} dB" in found.numbers


def test_two_rivals_within_the_scatter_of_the_images_are_not_told_apart():
    found = record(proximal=2.0)
    assert claims.clearly(found, "proximal", "tv") == 1 and claims.clearly(found, "tv", "proximal") == -1
    assert claims.clearly(found, "tv", "tv") == 0


class Away(RegulariserNetwork):
    """R(x) = -100 sum x, without a minimum: the longer the descent, the worse."""

    def __init__(self):
        super().__init__()
        self.image_shape, self.weight = (1, 56, 56), torch.nn.Parameter(torch.full((), -100.0))

    def value(self, x):
        return self.weight * x.flatten(1).sum(1)


def test_a_critic_is_stopped_where_the_validation_images_say(monkeypatch):
    monkeypatch.setattr(critics, "network", lambda name: Away().freeze())
    row = critics.critics_job("adversarial", n_val=2, n_test=6, length=30)
    assert len(row["path"]) == 31 and row["iterations"] < 10 and row["path"][-1] < row["path"][0]
    found = {"rows": [row | {"critic": "adversarial"}, row | {"critic": "input-convex"}]}
    assert f"iteration {row['iterations']}" in critics.critics_story(found)
    assert len(critics.critics_figure(found).alt) > 60
    plt.close("all")
    both = tables.joined(record(adversarial=-5.0, diffpir=1.0), found, {"rows": [row | {"rival": "dps"}]})
    assert list(tables.by_rival(both)) == ["tv", "adversarial", "adversarial-stopped", "dps", "diffpir"]
    assert both["settings"]["groups"]["adversarial-stopped"] == "learned regulariser"


def test_a_step_of_a_critic_is_a_gradient_step_of_the_objective():
    problem, R = scans.home(n_val=1, n_test=2), rivals.network("input-convex")
    path = critics.CriticDescent(R, 0.7, step=0.3).iterates(problem.y, problem.A)
    (first, misfit), (second, _) = next(path), next(path)
    x = first.clone().requires_grad_()
    f = (problem.A(x) - problem.y).square().sum() + 0.7 * R(x).sum()
    (g,) = torch.autograd.grad(f, x)
    assert torch.allclose(second, first - 0.15 * g, atol=1e-5)
    assert misfit.sum() == pytest.approx(float((problem.A(first) - problem.y).square().sum()), rel=1e-5)


def test_the_gallery_shows_what_the_record_keeps():
    found = record(proximal=2.0)
    grey = pack(torch.full((1, 1, 56, 56), 0.4))[0]
    for row in found["rows"]:
        for there in row["places"].values():
            there["example"] = grey
    found["settings"]["pictured"] = experiments.PICTURED
    figure = gallery(found, ["tv", "proximal", "nobody"])
    pictures = [ax.images[0].get_array() for ax in figure.axes]
    assert len(pictures) == 9 and np.allclose(pictures[1], 0.4, atol=0.01) and pictures[0].max() > 0.45
    one = gallery(found, ["tv"], places=("chest",))
    truth, answer = one.axes
    assert truth.get_title() == "truth" and truth.get_ylabel() == "chest" and answer.get_title() != ""
    assert np.allclose(truth.images[0].get_array(), pictures[6]) and np.allclose(
        answer.images[0].get_array(), 0.4, atol=0.01
    )
    plt.close("all")


class Explodes(Reconstructor):
    """The adjoint times a weight, and no numbers for a weight above 1."""

    def __init__(self, weight):
        self.weight = weight

    def run(self, y, A, trace=False):
        return {"x": A.T(y) * (self.weight if self.weight <= 1 else float("nan"))}


def test_weights_with_which_a_method_diverges_are_not_chosen():
    method = Method("M", "formula", lambda problem, w: Explodes(w), {"tomography": {"w": 1.0}})
    found, _ = tuned(scans.home(n_val=2, n_test=2), method)
    assert found.weights["w"] <= 1 and np.isfinite(found.score)


def test_what_stands_apart_is_measured_as_the_others(monkeypatch):
    method = Method("M", "formula", lambda problem, w: Explodes(w), {"tomography": {"w": 1.0}})
    monkeypatch.setitem(rivals.RIVALS, "dps", method)
    row = walks.walks_job("dps", n_val=2, n_test=6)
    assert list(row["places"]) == list(scans.PLACES)
    assert f"w = {row['weights']['w']:g}" in walks.walks_story({"rows": [row]})
    assert len(walks.walks_figure({"rows": [row]}).alt) > 60
    plt.close("all")
