"""Every explorer of the registry draws at every point of its grid, and shows what its chapter says of it."""

import html
import io
import time

import conftest
import ipywidgets
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from course_utils import TV, Hard, Relaxed, Sparse, Tikhonov, data, pretrained
from course_utils import figures as plots
from course_utils.chapters.inverse_problems import explorer as inverse_problems
from course_utils.chapters.regularisers import parabola
from course_utils.chapters.start import explorer as start
from course_utils.explore import EXPLORERS, Explorer
from course_utils.metrics import psnr
from course_utils.operators import GaussianBlur, add_noise, measure
from course_utils.solvers import Dictionary
from course_utils.tuning import sweep

BORDER = 6  # pixels that must be white: nothing is cut off at the edge


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_draws_over_its_whole_grid(name):
    explorer = EXPLORERS[name]()
    assert explorer.name == name
    assert len(explorer.alt) > 60
    grid, pictures = explorer.grid, set()
    assert len(grid) == len({tuple(values.items()) for values in grid}) > 1
    started = time.perf_counter()
    for values in grid:
        figure = explorer.draw(**values)
        assert isinstance(figure, Figure), values
        assert figure.axes, values
        pictures.add(plots.figure_png(figure, 40))
    seconds = (time.perf_counter() - started) / len(grid)
    conftest.MEASURED.append(f"explorer {name}: {len(grid)} pictures, {1000 * seconds:.0f} ms each")
    assert len(pictures) > len(grid) / 4, "most control values change nothing"


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_picture_depends_on_the_controls_only(name):
    explorer = EXPLORERS[name]()
    first = explorer.png(**explorer.default)
    explorer.png(**explorer.grid[-1])
    assert explorer.png(**explorer.default) == first


@pytest.mark.parametrize("name", EXPLORERS)
def test_each_control_changes_the_picture(name):
    """Each control alone, from the default on: the reader sees that something has happened."""
    explorer = EXPLORERS[name]()
    before = explorer.png(**explorer.default)
    for key, stops in explorer._grid.items():
        others = [stop for stop in stops if stop != explorer.default[key]]
        assert any(explorer.png(**{**explorer.default, key: stop}) != before for stop in others), key


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_widget_and_the_static_picture(name):
    explorer = EXPLORERS[name]()
    assert {"course-explorer", f"explorer-{name}"} <= set(explorer.widget._dom_classes)
    pictures = [child for child in explorer.widget.children if isinstance(child, ipywidgets.Image)]
    assert [child._dom_classes for child in pictures] == [("explorer-figure",)]
    assert pictures[0].format == "png"
    assert html.escape(explorer.alt) in explorer.widget.children[-1].value
    assert pictures[0].tooltip is None, "JupyterLab fails to show an image widget with a tooltip"
    for control in explorer.controls.values():
        assert control.description
        assert control.tooltip
        assert not getattr(control, "continuous_update", False)
    assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()
    static = explorer.static()
    assert static.alt == explorer.alt
    image = pixels(static.data)
    assert image.shape[1] >= 2 * static.width - 1
    assert image.std() > 10  # not an empty canvas
    assert image[:BORDER].min() == image[:, :2].min() == 255, "something is cut off at the edge"


def demo(**settings):
    calls = []

    def draw(size, grid):
        calls.append((size, grid))
        if size == 3:
            raise ValueError("three is too many")
        figure = Figure(figsize=(2, 1))
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, size])
        return figure

    controls = {
        "size": ipywidgets.IntSlider(1, 1, 3, description="size", tooltip="how many", continuous_update=True),
        "grid": ipywidgets.Checkbox(False, description="grid", tooltip="lines"),
    }
    return Explorer("demo", controls, draw, "A line.", **settings), calls


def test_a_move_redraws_once_and_an_error_stands_beside_the_figure():
    explorer, calls = demo()
    figure, problem = explorer.widget.children[2], explorer.widget.children[1]
    first = figure.value
    assert calls == [(1, False)]
    explorer.controls["size"].value = 2
    assert calls == [(1, False), (2, False)]
    assert figure.value != first
    assert explorer.seconds > 0
    with pytest.raises(ValueError, match="three is too many"):
        explorer.controls["size"].value = 3
    assert "three is too many" in problem.value
    assert problem.layout.display == "block"
    explorer.controls["size"].value = 1
    assert problem.layout.display == "none"
    assert figure.value == first


def test_the_grid_is_every_combination_or_what_was_asked_for():
    assert len(demo()[0].grid) == 4  # least = default, greatest; two ticks
    explorer, _ = demo(grid={"size": [1, 2]})
    assert explorer.grid == [{"size": s, "grid": g} for s in (1, 2) for g in (False, True)]


@pytest.mark.parametrize("missing", ["description", "tooltip"])
def test_a_control_must_say_what_it_is(missing):
    settings = {"description": "size", "tooltip": "how many"} | {missing: ""}
    with pytest.raises(ValueError, match="description and a tooltip"):
        Explorer("demo", {"size": ipywidgets.IntSlider(1, 1, 3, **settings)}, lambda size: None, "A line.")


def test_a_grid_for_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="do not exist: length"):
        demo(grid={"length": [1]})


# Chapter 00


@pytest.fixture(scope="module")
def validation():
    A, x = GaussianBlur(28), data.load("mnist").val[:20]
    G = pretrained("vae-mnist-8", verbose=False)
    y = measure(A, x, 0.1, torch.Generator().manual_seed(1))
    return A, x, y, G, Dictionary(G, torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", start.WEIGHTS)
def test_the_weights_of_the_tour_are_tuned(name, validation):
    """No neighbour on the grid 1, 3, 10, 30, ... is better by more than the 0.05 dB within which it is flat."""
    A, x, y, G, starts = validation
    kinds = {"Tikhonov": Tikhonov, "TV": TV, "hard": Hard, "relaxed": Relaxed, "sparse": Sparse}

    def make(*weights):
        return kinds[name](*weights) if name in ("Tikhonov", "TV") else kinds[name](G, *weights)

    ladder = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    around = {}
    for key, value in start.WEIGHTS[name].items():
        power = 10.0 ** np.floor(np.log10(value) + 1e-9)
        k = int(np.argmin([abs(v - value / power) for v in ladder]))
        around[key] = [power * v for v in ladder[k - 1 : k + 2]]
    n = 6 if name == "sparse" else 20  # Algorithm 3 is slow
    settings = {} if name in ("Tikhonov", "TV") else {"start": starts}
    tried = sweep(A, y[:n], x[:n], make, around["lam"], around.get("mu"), **settings)
    quality = tried.psnr.mean(1)
    chosen = [
        k
        for k, p in enumerate(tried.parameters)
        if all(p[q] == pytest.approx(v) for q, v in start.WEIGHTS[name].items())
    ]
    assert len(chosen) == 1
    assert quality[chosen[0]] > quality.max() - (0.05 if n == 20 else 0.3)


def test_the_tour_shows_what_chapter_00_says():
    """Largest noise: the generator holds about 19 dB and TV falls below 15.  Smallest: TV 29, hard stays."""

    def best(method, sigma):
        mu = round(10**-1.5, 9) if method in ("relaxed", "sparse") else 0.0
        x = start._sweep(method, mu, round(sigma, 9), 2).x
        return float(psnr(x, start._data(sigma, 2)[0].expand_as(x)).max())

    loud, quiet = 10**-0.5, 0.01
    assert all(18.5 < best(method, loud) < 19.7 for method in ("hard", "relaxed", "sparse"))
    assert 13.5 < best("TV", loud) < 15
    assert 28.5 < best("TV", quiet) < 30
    assert abs(best("hard", quiet) - best("hard", 0.1)) < 0.5


def test_the_self_test_finds_this_machine_ready(capsys):
    found = start.self_test()
    said = capsys.readouterr().out
    assert found["ok"]
    assert found["ms"] > 0
    assert "Ready." in said
    assert torch.__version__ in said


# Chapter 01


@pytest.mark.parametrize("name", inverse_problems.operators())
def test_truncation_errors_are_those_of_the_truncated_reconstructions(name):
    A = inverse_problems.operators()[name]
    x = data.load("mnist").test[:3].double()
    y = add_noise(A(x), 0.02, torch.Generator().manual_seed(0))
    errors = inverse_problems.truncation_errors(A, x, y)
    U, S, V = A.svd()
    assert errors.shape == (3, int((S > 1e-10).sum()))
    for kept in (1, 50, 150):
        found = (y.flatten(1) @ U[:, :kept] / S[:kept]) @ V[:, :kept].T
        direct = (found - x.flatten(1)).pow(2).sum(1)
        torch.testing.assert_close(errors[:, kept - 1], direct, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", inverse_problems.operators())
def test_data_pictures_hold_all_data(name):
    A = inverse_problems.operators()[name]
    y = A(data.load("mnist").test[:1].double())
    picture = inverse_problems.data_picture(A, y)
    assert picture.ndim == 2
    shown = picture[torch.isfinite(picture)]
    assert float(shown.pow(2).sum()) == pytest.approx(float(y.pow(2).sum()))


def test_kspace_is_shown_with_zero_frequency_in_the_centre():
    A = inverse_problems.operators()["masked Fourier"]
    picture = inverse_problems.data_picture(A, A(torch.ones(1, 1, 28, 28, dtype=torch.float64)))
    assert int(picture.nan_to_num(0).argmax()) == 14 * 28 + 14


@pytest.mark.parametrize("method", ["hard", "relaxed", "sparse"])
@pytest.mark.parametrize(("y1", "lam", "mu"), [(0.0, 1.0, 0.1), (0.2, 0.5, 0.3), (-0.1, 3.0, 2.0), (0.3, 20.0, 1.0)])
def test_parabola_against_brute_force(method, y1, lam, mu):
    """A fine grid over z and over x (or u) finds no lower objective, and the same point."""
    solved = parabola.solve_parabola(method, y1, lam, mu)
    ticks = torch.linspace(-2.5, 2.5, 501, dtype=torch.float64)
    y = torch.tensor([y1, 4.0], dtype=torch.float64)

    def value(z, x):
        g = torch.stack([z, z**2], dim=-1)
        if method == "hard":
            return (g - y).pow(2).sum(-1) + lam * z**2
        deviation = (x - g).pow(2).sum(-1) if method == "relaxed" else (x - g).abs().sum(-1)
        return (x - y).pow(2).sum(-1) + lam * (deviation + mu * z**2)

    z, x = torch.from_numpy(solved.z), torch.from_numpy(solved.x)
    found = value(z, x)
    assert float(found.max() - found.min()) < 1e-8 and len(z) == (2 if y1 == 0 and lam < 7 else 1)
    if method != "hard":
        near = x[:, None] + torch.cartesian_prod(ticks, ticks)[None, ::7] * 0.2
        assert float(value(z[:, None], near).min()) >= float(found.min()) - 1e-9
    best = torch.from_numpy(parabola._image(method, ticks.numpy(), y1, lam))  # the best x of every z of a grid
    assert float(value(ticks, best).min()) >= float(found.min()) - 1e-9
    random = 3 * torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1.5
    anywhere = value(2 * random[:, 0], y + random[:, 1:])
    assert float(anywhere.min()) >= float(found.min()) - 1e-9


def test_parabola_jumps_unless_the_weight_is_large():
    for method in ("hard", "relaxed", "sparse"):
        left, right = (parabola.solve_parabola(method, y1, 0.5, 0.01).x[0] for y1 in (-1e-3, 1e-3))
        assert np.abs(right - left).max() > 0.5, method
        left, right = (parabola.solve_parabola(method, y1, 100.0, 100.0).x[0] for y1 in (-1e-3, 1e-3))
        assert np.abs(right - left).max() < 0.01, method
    # relaxed has one minimiser if and only if (1 + lambda) mu >= 7
    counts = [len(parabola.solve_parabola("relaxed", 0.0, 1.0, mu).z) for mu in (3.4, 3.6)]
    assert counts == [2, 1]
