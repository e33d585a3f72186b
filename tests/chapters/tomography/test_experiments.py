"""The tomography experiments: jobs at small size, figures and stories from records alone, pictures as text."""

import copy
import functools
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from registry import seeded

from course_utils import available, load, measure, psnr, reconstruct
from course_utils.chapters.tomography import experiments as tomography
from course_utils.chapters.tomography import figures as plots_tomography
from course_utils.chapters.tomography import real as real_tomography
from course_utils.chapters.tomography import runs, searching, spots, story
from course_utils.figures.pixels import figure_png
from course_utils.metrics import contrast_recovery
from course_utils.operators import ParallelBeam
from course_utils.reproduce import pictures
from course_utils.reproduce.problems import shared_problem
from course_utils.training.zoo import shipped_seeds

EXPERIMENTS = tomography.EXPERIMENTS | real_tomography.EXPERIMENTS | runs.EXPERIMENTS
SHAPES = [family for family, name in story.SHAPES_GENERATORS.items() if name in available()]
needs_vae = pytest.mark.skipif("vae" not in SHAPES, reason="vae-shapes-10 is not shipped")


def middle(grid):
    return grid[len(grid) // 2 :][:2]


def shrink(monkeypatch, *methods):
    """Grids of two values, which do not grow."""
    monkeypatch.setattr(searching, "MOST", 0)
    for method in methods:
        for grids in (tomography.GRIDS, tomography.NARROW, tomography.BY_PAPER, real_tomography.GRIDS):
            if method in grids:
                few = {
                    name: {data: middle(v) for data, v in grid.items()} if isinstance(grid, dict) else middle(grid)
                    for name, grid in grids[method].items()
                }
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
    trained = {(t["generator"], t["seed"]) for t in runs.runs_tasks()}
    assert trained == {(g, k) for g in SHAPES for k in shipped_seeds(story.SHAPES_GENERATORS[g])}


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
    assert row["values_mean"] + row["gradients_mean"] >= row["iterations_mean"] > 0
    if method == "hard":  # weights of its own
        assert "paper_lam" in row and row["paper_gradients_mean"] == row["paper_iterations_mean"]
    if method.startswith("sparse"):
        u = pictures.unpack(row["example_deviations"], 56, -1.0, 1.0)
        assert u.shape == (3, 1, 56, 56)
        assert float(u[0].norm()) == pytest.approx(row["deviation_norm"][0], abs=0.3)


@needs_vae
@pytest.mark.slow
def test_a_spot_that_is_hidden_has_no_contrast(monkeypatch):
    shrink(monkeypatch, "hard", "tv")
    kept = {
        m: tomography.fig11_row(g, m, 0.05, n_val=2, n_test=4)["contrast"] for g, m in (("none", "tv"), ("vae", "hard"))
    }
    assert all(len(values) == 4 for values in kept.values())
    assert max(abs(v) for v in kept["hard"]) < 0.1 < min(kept["tv"])


def test_the_surroundings_of_a_spot_are_those_of_the_shared_problem():
    problem = shared_problem("pet", n_val=2, n_test=4)
    x = problem.x + torch.rand(problem.x.shape, generator=torch.Generator().manual_seed(0))
    wanted = contrast_recovery(x, problem.x, problem.lesions, problem.around())
    assert torch.equal(spots.spot_contrast(x, problem.x), wanted)


@needs_vae
@pytest.mark.slow
def test_the_ceiling_is_above_what_noisy_data_give():
    """Both searches are local: without noise they end within a few hundredths of a dB, in either order."""
    best = tomography.ceiling_row(n_test=4)["psnr"]
    A, x = tomography.operator("30 views"), load("shapes").test[:4]
    G, starts = tomography.shapes_generator("vae")
    found = reconstruct(A, measure(A, x, 0.05, seeded()), tomography.Hard(G, 1e-4), start=starts).x
    assert bool((psnr(found, x) <= torch.tensor(best)).all())


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


@functools.cache
def tilt_row():
    """Of TV on the tilt series as it is."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, "tv")
        return real_tomography.tilt_row("tv")


@pytest.mark.slow
def test_the_needle_gets_the_grey_of_the_shapes():
    row = tilt_row()
    image = pictures.unpack(row["examples"], 56)[0]
    inside = image[image > 0.25]
    assert float(inside.median()) == pytest.approx(real_tomography.NEEDLE_GREY, abs=0.12)
    assert len(row["held_out"]) == 7 and max(row["held_out"]) < 0.2
    # the pictured layers are judged, and are those whose misfits are stored beside them
    judged = dict(zip(range(1, 8), row["held_out"], strict=True))
    assert row["example_misfits"] == [judged[k] for k in real_tomography.PICTURED]


def test_nothing_is_learned_from_the_held_out_tilts(monkeypatch):
    """Grey scale and reconstruction must not change with them."""
    series = real_tomography.load_tilt_series()
    before = real_tomography.TiltProblem()
    series.sinograms[:, 1::2] *= 3
    monkeypatch.setattr(real_tomography, "load_tilt_series", lambda: series)
    after = real_tomography.TiltProblem()
    assert torch.equal(before.y, after.y) and torch.equal(before.factor, after.factor)
    assert torch.allclose(after.y_held, 3 * before.y_held)


@pytest.mark.slow
def test_the_judged_layers_choose_no_weight(monkeypatch):
    shrink(monkeypatch, "tv")
    before, real = tilt_row(), real_tomography.TiltProblem

    def spoilt():
        problem = real()
        problem.y_held[1:] = 7.0  # of the judged layers alone
        return problem

    monkeypatch.setattr(real_tomography, "TiltProblem", spoilt)
    after = real_tomography.tilt_row("tv")
    assert before["lam"] == after["lam"] and before["used"] == after["used"]
    assert all(a > 2 * b for a, b in zip(after["held_out"], before["held_out"], strict=True))


def test_a_view_between_two_equal_ones_is_predicted():
    problem = real_tomography.TiltProblem()
    problem.y = problem.A.scale * torch.ones_like(problem.y)
    problem.y_held = problem.A_held.scale * torch.ones_like(problem.y_held)
    assert float(problem.between().max()) < 1e-6
    problem.y_held *= 2
    assert problem.between().tolist() == pytest.approx([0.5] * 8)


def test_an_invented_disc_is_a_step_that_the_truth_has_not():
    row, col = torch.arange(56)[:, None], torch.arange(56)[None, :]
    disc = (((row - 30) ** 2 + (col - 25) ** 2) < 49).float()[None, None]
    slope = 0.1 + 0.003 * (row + 0 * col).float()[None, None]
    g = 0.5 * disc
    assert float(spots.drawn_step(slope, g)) == pytest.approx(0, abs=1e-3)
    assert float(spots.drawn_step(slope + 0.25 * disc, g)) == pytest.approx(0.25, abs=1e-3)


@pytest.mark.slow
def test_ct_is_tuned_on_one_patient_and_judged_on_the_other(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setitem(real_tomography.GRIDS, "tikhonov", {"lam": [0.25, 0.0625]})
    seen = {}

    def spy(A, y, x, *args, **kwargs):
        seen["x"] = x
        return real(A, y, x, *args, **kwargs)

    real = searching.sweep
    monkeypatch.setattr(searching, "sweep", spy)
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
    found |= {"values_mean": 3.0, "gradients_mean": 13.0}
    if method in plots_tomography.PAPER_COST:
        found |= {"paper_psnr": [19.0], "paper_iterations_mean": 44.0, "paper_ms_per_image": 900.0}
        found |= {"paper_values_mean": 90.0, "paper_gradients_mean": 44.0}
    if method.startswith("sparse"):
        found["example_deviations"] = pictures.pack(0.2 * images, -1.0, 1.0)
    if method == "fbp":
        found["cutoff"] = found.pop("lam")
    return found | more


@functools.cache
def made():
    fig10 = [row("none", m) for m in ("fbp", "tikhonov", "tv")]
    fig10 += [row(g, m) for g in ("ae", "vae", "wgan") for m in ("hard", "relaxed", "sparse")]
    fig11 = [row(g, m, sigma=0.05) for g, m in (("none", "tv"), ("vae", "sparse-tv"), ("vae", "hard"))]
    fig11 += [row("vae", "sparse", sigma=0.05), row("none", "tv", sigma=0.008)]
    fig11 = [r | {"contrast": [0.1 * k for k in range(len(r["psnr"]))]} for r in fig11]
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
    views.append({"kind": "ceiling", "psnr": [31.0] * 4})
    images = shapes()
    real = [
        {"data": d, "method": m, "held_out": [0.1] * 7, "used": [0.1] * 7, "residual": [1.5] * 30, "ssim": [0.5] * 30}
        | {"psnr": [20.0] * 30, "examples": pictures.pack(images[:n]), "example_misfits": [0.1, 0.1]}
        | {"drawn": {name: [0.1] * 30 for name in ("truth", "sparse-tv", "tv", "generator")}}
        | {"example_deviations": pictures.pack(0.1 * images[:n], -1.0, 1.0)}
        for d, n in (("tilt", 2), ("ct", 1))
        for m in real_tomography.METHODS
    ]
    trained = [
        {"generator": g, "seed": seed, "geometry": views, "sigma": sigma, "psnr": [20.0 + seed, 21.0]}
        for g in ("ae", "wgan")
        for seed in (0, 1)
        for views, sigma in runs.SCANS
    ]
    rhos = [
        {"rho": rho, "geometry": views, "sigma": sigma, "psnr": [20.0 + rho, 21.0]}
        for rho in (0.1, 0.4)
        for views, sigma in (("none", 0.0), *runs.SCANS)
    ]
    rows = {
        "fig10": fig10, "fig11": fig11, "table-views": views, "table-real": real, "shapes-runs": trained,
        "shapes-rho": rhos,
    }  # fmt: skip
    return {name: {"rows": r, "settings": EXPERIMENTS[name].settings} for name, r in rows.items()}


def records():
    """A copy, to be changed at will."""
    return copy.deepcopy(made())


@pytest.mark.parametrize("name", ["fig10", "fig11", "table-views", "table-real", "shapes-runs", "shapes-rho"])
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
            other["example_misfits"] = [2 * v for v in other["example_misfits"]]
    assert experiment.story(record) != words
    figure = experiment.figure(record)
    assert figure_png(figure, 50) != picture
    plt.close(figure)


def test_fig11_says_both_conventions():
    words = story.fig11_story(records()["fig11"])
    assert "21.50 ± 1.29 dB with range 1, 27.52 with range 2 (paper, range 2: 32.83 ± 0.65)" in words


def test_fig11_says_whether_psnr_prefers_the_method_that_hides_the_spot():
    record = records()["fig11"]
    rows = {r["method"]: r for r in record["rows"] if r["sigma"] == 0.05}
    rows["hard"] |= {"psnr": [27.0] * 4, "contrast": [0.0] * 4}
    rows["tv"] |= {"psnr": [26.0] * 4, "contrast": [0.4] * 4}
    assert "PSNR prefers hard" in story.fig11_story(record)
    rows["tv"] |= {"psnr": [28.0] * 4}
    assert "PSNR does not prefer hard" in story.fig11_story(record)


def test_one_training_run_has_no_spread():
    record = records()["shapes-runs"]
    assert runs.spread(runs.over_runs(record)) == pytest.approx(0.5)  # means 20.5 and 21
    assert "at most 0.50 dB apart" in runs.runs_words(record)
    record["rows"] = [r for r in record["rows"] if r["seed"] == 0]
    assert runs.spread(runs.over_runs(record)) is None and "no spread known" in runs.runs_words(record)


def test_what_is_said_of_the_generators_follows_their_cards(monkeypatch):
    def about(rho, steps, standardised=True):
        report = {"steps": steps} | ({"standardised_by": {}} if standardised else {})
        return lambda name: {"model": {"rho": rho}, "report": report}

    monkeypatch.setattr(story, "available", lambda: list(story.SHAPES_GENERATORS.values()))
    monkeypatch.setattr(story, "card", about(0.4, 8_500))
    words = story.generator_words()
    assert "5.7 times" in words and "undertrained" in words and "standardised" in words
    monkeypatch.setattr(story, "card", about(0.07, 30_000, standardised=False))
    words = story.generator_words()
    assert "as in the authors' code" in words and "undertrained" not in words and "standardised" not in words


@pytest.mark.slow
def test_the_weighted_reading_of_the_norm():
    """Against the definition: the weighted norm of A x over the plain norm of x, for an x that reaches it."""
    A = tomography.operator("125 views")
    x = torch.ones(1, 1, 56, 56)
    for _ in range(40):  # power iteration: an x that is short of the norm fails the test
        x = A.T(A(x / x.norm()))
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
