"""The tomography experiments: jobs at small size, figures and stories from records alone, pictures as text."""

import functools
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_utils import available, load, psnr, tuning
from course_utils.chapters.tomography import experiments as tomography
from course_utils.chapters.tomography import figures as plots_tomography
from course_utils.chapters.tomography import real as real_tomography
from course_utils.chapters.tomography import story
from course_utils.figures.pixels import figure_png
from course_utils.operators import ParallelBeam
from course_utils.reproduce import pictures

EXPERIMENTS = tomography.EXPERIMENTS | real_tomography.EXPERIMENTS
SHAPES = [family for family, name in story.SHAPES_GENERATORS.items() if name in available()]
needs_vae = pytest.mark.skipif("vae" not in SHAPES, reason="vae-shapes-10 is not shipped")


def shrink(monkeypatch, *methods):
    """Grids of two values."""
    for method in methods:
        for grids in (tomography.GRIDS, real_tomography.GRIDS):
            if method in grids:
                few = {name: values[len(values) // 2 :][:2] for name, values in grids[method].items()}
                monkeypatch.setitem(grids, method, few)


def test_pictures_survive_as_text():
    x = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    texts = json.loads(json.dumps(pictures.pack(2 * x - 1, -1.0, 1.0)))
    assert float((pictures.unpack(texts, 5, -1.0, 1.0) - (2 * x - 1)).abs().max()) <= 1.01 / 255
    assert float(pictures.unpack(pictures.pack(torch.full((1, 1, 2, 2), 7.0)), 2).max()) == 1.0


def test_every_task_is_plain_and_names_what_exists():
    for experiment in EXPERIMENTS.values():
        tasks = experiment.tasks()
        assert len(tasks) == len({json.dumps(task, sort_keys=True) for task in tasks}) > 3
        json.dumps(experiment.settings)
    assert {t["generator"] for t in tomography.EXPERIMENTS["fig10"].tasks()} == {"none", *SHAPES}
    assert len(tomography.EXPERIMENTS["fig10"].tasks()) == 3 + 3 * len(SHAPES)


@pytest.mark.parametrize("method", ["fbp", "tikhonov", "tv"])
def test_a_row_by_hand_depends_on_its_task_alone(method, monkeypatch):
    shrink(monkeypatch, method)
    task = {"generator": "none", "method": method, "geometry": "10 views", "n_val": 2, "n_test": 3, "by_paper": False}
    row, again = tomography.shapes_row(**task), tomography.shapes_row(**task)
    same = {k: v for k, v in row.items() if k != "ms_per_image"}
    assert same == {k: v for k, v in again.items() if k != "ms_per_image"}
    json.dumps(row)
    assert len(row["psnr"]) == 3 and all(10 < v < 40 for v in row["psnr"])
    # the stored pictures are the reconstructions whose PSNR is stored
    shown = pictures.unpack(row["examples"], 56)
    truth = load("shapes").test[:3]
    clipped = torch.tensor(row["psnr"])  # of the unclipped images, so a little lower
    assert bool((psnr(shown, truth) > clipped - 0.05).all()) and bool((psnr(shown, truth) < clipped + 3).all())


@needs_vae
@pytest.mark.parametrize("method", ["hard", "relaxed", "sparse", "sparse-tv"])
@pytest.mark.slow
def test_a_generative_row(method, monkeypatch):
    shrink(monkeypatch, method)
    row = tomography.shapes_row("vae", method, geometry="10 views", n_val=2, n_test=3, by_paper=method == "hard")
    json.dumps(row)
    assert np.mean(row["psnr"]) > 20
    assert ("paper_psnr" in row) == (method == "hard")
    if method.startswith("sparse"):
        u = pictures.unpack(row["example_deviations"], 56, -1.0, 1.0)
        assert u.shape == (3, 1, 56, 56)
        assert float(u[0].norm()) == pytest.approx(row["deviation_norm"][0], abs=0.3)


def test_what_a_geometry_sees():
    few = tomography.geometry_row("10 views", n_points=10, n_test=5)
    assert few["data"] == 810 and few["above"]["1e-06"] <= 810
    assert few["singular_values"][0] == pytest.approx(1) and few["index"][-1] == 810
    assert few["singular_values"] == sorted(few["singular_values"], reverse=True)
    assert 0 < few["share_unseen"] < 0.5
    # against the definition: what is left of an image without its seen part
    A = tomography.operator("10 views")
    _, S, V = A.svd()
    x = load("shapes").test[:5].flatten(1)
    kept = V[:, S > 1e-2]
    rest = x - (x @ kept) @ kept.T
    share = rest.pow(2).sum(1) / x.pow(2).sum(1)
    assert few["share_unseen"] == pytest.approx(float(share.mean()), abs=1e-3)


# Real data


def test_the_tilt_problem_holds_views_out():
    problem = real_tomography.TiltProblem()
    used, held = problem.A.angles.tolist(), problem.A_held.angles.tolist()
    assert len(used) == 39 and len(held) == 38 and not set(used) & set(held)
    assert problem.y.shape == (8, 39, 256) and problem.y_held.shape == (8, 38, 256)
    # data and operator have one scale: the truth of a perfect scan would have no misfit
    x = load("shapes").test[:8]
    problem.y, problem.y_held = problem.A(x), problem.A_held(x)
    assert max(float(e.max()) for e in problem.errors(x)) < 1e-6
    assert min(float(e.min()) for e in problem.errors(1.1 * x)) == pytest.approx(0.1, abs=1e-4)


@pytest.mark.slow
def test_the_needle_gets_the_grey_of_the_shapes(monkeypatch):
    shrink(monkeypatch, "tv")
    row = real_tomography.tilt_row("tv")
    image = pictures.unpack(row["examples"], 56)[0]
    inside = image[image > 0.25]
    assert float(inside.median()) == pytest.approx(real_tomography.NEEDLE_GREY, abs=0.12)
    assert len(row["held_out"]) == 8 and max(row["held_out"]) < 0.2


@pytest.mark.slow
def test_ct_is_tuned_on_one_patient_and_judged_on_the_other(monkeypatch):
    monkeypatch.setitem(real_tomography.GRIDS, "tikhonov", {"lam": [0.25, 0.0625]})
    seen = {}

    def spy(A, y, x, *args, **kwargs):
        seen["x"] = x
        return real(A, y, x, *args, **kwargs)

    real = tuning.sweep
    monkeypatch.setattr(tuning, "sweep", spy)
    row = real_tomography.ct_row("tikhonov", n_test=26)
    assert torch.equal(seen["x"], load("ct").val)
    assert len(row["psnr"]) == 26 and np.mean(row["psnr"]) > 12


# Figures and stories, from records made by hand


@functools.cache
def shapes():
    """The test images, drawn once."""
    return load("shapes").test


def row(generator, method, n=4, **more):
    images = shapes()[:3]
    found = {"generator": generator, "method": method, "psnr": [20.0 + k for k in range(n)], "lam": 0.1}
    found |= {"examples": pictures.pack(images), "iterations_mean": 12.0, "ms_per_image": 20.0}
    if method in plots_tomography.PAPER_COST:
        found |= {"paper_psnr": [19.0], "paper_iterations_mean": 44.0, "paper_ms_per_image": 900.0}
    if method.startswith("sparse"):
        found["example_deviations"] = pictures.pack(0.2 * images, -1.0, 1.0)
    if method == "fbp":
        found["cutoff"] = found.pop("lam")
    return found | more


def records():
    fig10 = [row("none", m) for m in ("fbp", "tikhonov", "tv")]
    fig10 += [row(g, m) for g in ("ae", "vae", "wgan") for m in ("hard", "relaxed", "sparse")]
    fig11 = [row(g, m, sigma=0.05) for g, m in (("none", "tv"), ("vae", "sparse-tv"), ("vae", "hard"))]
    fig11 += [row("vae", "sparse", sigma=0.05), row("none", "tv", sigma=0.008)]
    views = [
        row(g, m, kind="row", geometry=geometry, sigma=sigma)
        for geometry in ("30 views", "60 degrees")
        for g, m in (("none", "tv"), ("vae", "hard"))
        for sigma in (0.1, 0.02)
    ]
    views += [
        {"kind": "geometry", "geometry": g, "index": [1, 2], "singular_values": [1.0, 0.1], "above": {"0.01": 2}}
        for g in ("30 views", "60 degrees")
    ]
    images = shapes()
    real = [
        {"data": d, "method": m, "held_out": [0.1] * 8, "used": [0.1] * 8, "residual": [1.5] * 30, "ssim": [0.5] * 30}
        | {"psnr": [20.0] * 30, "examples": pictures.pack(images[:n])}
        | {"example_deviations": pictures.pack(0.1 * images[:n], -1.0, 1.0)}
        for d, n in (("tilt", 2), ("ct", 1))
        for m in real_tomography.METHODS
    ]
    rows = {"fig10": fig10, "fig11": fig11, "table-views": views, "table-real": real}
    return {name: {"rows": r, "settings": EXPERIMENTS[name].settings} for name, r in rows.items()}


@pytest.mark.parametrize("name", ["fig10", "fig11", "table-views", "table-real"])
@pytest.mark.slow
def test_figures_and_stories_come_from_the_record_alone(name):
    experiment, record = EXPERIMENTS[name], records()[name]
    figure = experiment.figure(json.loads(json.dumps(record)))
    assert len(figure.alt) > 60
    picture = figure_png(figure, 50)
    words = experiment.story(record)
    plt.close(figure)
    for other in record["rows"]:  # a figure that ignores the numbers would not change
        if "psnr" in other:
            other["psnr"] = [v + 3 * k for k, v in enumerate(other["psnr"])]
        if "held_out" in other:
            other["held_out"] = [2 * v for v in other["held_out"]]
    assert experiment.story(record) != words
    figure = experiment.figure(record)
    assert figure_png(figure, 50) != picture
    plt.close(figure)


def test_fig11_says_both_conventions():
    words = story.fig11_story(records()["fig11"])
    assert "21.50 ± 1.29 dB with range 1, 27.52 with range 2 (paper, range 2: 32.83 ± 0.65)" in words


@pytest.mark.slow
def test_the_weighted_reading_of_the_norm():
    """Against the definition: the weighted norm of A x over the plain norm of x, for an x that reaches it."""
    A = tomography.operator("125 views")
    _, _, V = A.svd()
    x = V[:, 0].reshape(1, 1, 56, 56)
    cell = np.pi / 125 * A.bin_width
    weighted = float((A(x).pow(2).sum() * cell).sqrt() / x.norm())
    assert tomography.weighted_sigma(0.05) == pytest.approx(0.05 * weighted, rel=1e-3)


def test_two_colours_are_told_apart():
    g, u = torch.tensor([[0.5, 0.0, 0.5]]), torch.tensor([[0.0, 0.5, -0.5]])
    blue, orange, purple = plots_tomography.two_colours(g, u, white=0.5)[0]
    assert blue[2] > blue[0] and orange[0] > orange[2] and purple[0] > purple[1]
    luminance = [c @ np.array([0.2126, 0.7152, 0.0722]) for c in (blue, orange, purple)]
    assert min(abs(a - b) for k, a in enumerate(luminance) for b in luminance[:k]) > 0.05


def test_geometry_figure_marks_the_view():
    A = ParallelBeam.full(28)
    figure = plots_tomography.geometry_figure(A, torch.rand(1, 1, 28, 28), view=10, alt="Rays.")
    assert "rays of the view at 29°" in figure.axes[0].get_title()
    assert figure.axes[2].get_ylabel() == "angle (degrees)"
    plt.close(figure)
