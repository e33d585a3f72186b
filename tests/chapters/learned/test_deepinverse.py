"""Plug-and-play in DeepInverse, where it is installed, gives the same images."""

import sys

import pytest
import torch

from course_utils import reconstruct
from course_utils.chapters.learned.deepinverse import pnp_by_deepinverse
from course_utils.chapters.learned.denoising import DENOISERS
from course_utils.chapters.learned.rivals import network
from course_utils.chapters.learned.scans import home
from course_utils.solvers import PnPForwardBackward


@pytest.mark.slow
def test_the_same_iteration_in_deepinverse():
    pytest.importorskip("deepinv", reason="an optional package", exc_type=ImportError)
    problem, D = home(20, 2), network(DENOISERS["1-Lipschitz"])
    theirs = pnp_by_deepinverse(D, problem.A, problem.y, 0.1, 1.5, 20)
    ours = reconstruct(problem.A, problem.y, PnPForwardBackward(D, 0.1, 1.5, max_iter=20, tol=1e-9)).x
    assert torch.allclose(theirs, ours, atol=1e-5)


def test_without_it_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepinv", None)
    problem = home(20, 2)
    with pytest.raises(ModuleNotFoundError, match="pip install deepinv"):
        pnp_by_deepinverse(lambda x, sigma: x, problem.A, problem.y, 0.1, 1.0, 2)
