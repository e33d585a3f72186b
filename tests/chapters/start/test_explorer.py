"""The tour of chapter 00 shows what the chapter says, and its weights are tuned; the self-test of the machine."""

from importlib import metadata

import numpy as np
import pytest
import torch

from course_utils import TV, Hard, Relaxed, Sparse, Tikhonov, data, pretrained
from course_utils.chapters.start import explorer as start
from course_utils.explore import widgets
from course_utils.explore.trial import trial
from course_utils.metrics import psnr
from course_utils.operators import GaussianBlur, measure
from course_utils.solvers import Dictionary
from course_utils.tuning import sweep


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
    assert found["explorers"]
    assert f"ipywidgets {metadata.version('ipywidgets')} and ipython {metadata.version('ipython')} work" in said


def test_the_self_test_says_when_explorers_fail_and_goes_on(monkeypatch, capsys):
    def failing(*_):
        raise TypeError("no such trait")

    monkeypatch.setattr(widgets, "view", failing)
    found = start.self_test()
    said = capsys.readouterr().out
    assert not found["ok"] and not found["explorers"] and found["ms"] > 0
    assert "do not work: TypeError: no such trait; pip install" in said
    assert "Not ready: widgets that work are missing." in said


@pytest.mark.parametrize("version", ["8.1.8", "8.1.9"])
def test_the_self_test_knows_the_release_that_vs_code_does_not_show(version, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    works, words = trial()
    assert works and ("not in VS Code" in words) == (version == "8.1.9")
