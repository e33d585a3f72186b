"""What loops compute by a shorter way is what the plain formulas say: A^T A by blocks, dual steps in place."""

import math
import sys

import pytest
import torch
from registry import OPERATORS, seeded

from course_utils import TGV, TV, GaussianBlur, ParallelBeam, reconstruct
from course_utils.operators import tomography
from course_utils.operators.parity import NormalBlocks, fold, unfold
from course_utils.regularisers.composite import Composite, Scratch

RELAXATION = 1.9


def random(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", OPERATORS)
def test_the_normal_operator_is_the_operator_and_its_adjoint(name):
    A = OPERATORS[name]().double()
    x = random(20, *A.shape_in)
    assert torch.allclose(A.normal(x), A.T(A(x)), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="'x'"):
        A.normal(x[..., :-1])


@pytest.mark.parametrize(("views", "by_blocks"), [
    ({}, True), ({"angles": [0.1, 0.2, 0.5, math.pi / 3] * 12}, False), ({"n_angles": 3}, False),
])  # fmt: skip
def test_blocks_are_used_where_the_views_are_mirrored_and_many(views, by_blocks):
    A = ParallelBeam.full(24, **views).double()
    x = random(20, 1, 24, 24)
    assert torch.allclose(A.normal(x), A.T(A(x)), rtol=0, atol=1e-13)
    assert ("blocks" in A._kept.of(A)) == by_blocks
    assert torch.allclose(A.normal(x[:2]), A.T(A(x[:2])), rtol=0, atol=1e-13)
    assert A.float().normal(x.float()).dtype == torch.float32  # after a change of dtype they are made anew
    assert not by_blocks or A._kept.of(A)["blocks"].matrices.dtype == torch.float32


def test_an_odd_side_has_no_blocks():
    A = ParallelBeam.full(25).double()
    x = random(20, 1, 25, 25)
    assert torch.allclose(A.normal(x), A.T(A(x)), rtol=0, atol=1e-13) and "blocks" not in A._kept.of(A)
    assert NormalBlocks.pay(56, 510_372) and not NormalBlocks.pay(128, 6_000_000)


def test_folding_and_unfolding_are_adjoint_and_inverse_but_for_a_factor():
    x, parts = random(3, 10, 10), random(4, 3, 25, seed=1)
    assert torch.allclose((fold(x) * parts).sum(), (x * unfold(parts)).sum())
    assert torch.allclose(unfold(fold(x)), 4 * x)
    assert torch.equal(fold(x.flip(1))[:2], fold(x)[:2]) and torch.equal(fold(x.flip(1))[2:], -fold(x)[2:])


@pytest.mark.parametrize("shape", [(12, 9), (1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("R", [TV(1.0), TV(1.0, isotropic=False), TGV(1.0, beta=0.7)], ids=repr)
def test_the_dual_step_in_place_is_the_one_of_the_formulas(R, shape):
    """Weights of 0 among them; v is left as it was."""
    v, lam, sigma = (
        random(4, R.channels, *shape),
        torch.tensor([0.0, 0.1, 1.0, 50.0]),
        torch.tensor([0.3, 2.0, 1.0, 0.1]),
    )
    lam, sigma = (weight.double().reshape(-1, 1, 1, 1) for weight in (lam, sigma))
    fast, plain, scratch = torch.zeros_like(R.K(v)), torch.zeros_like(R.K(v)), Scratch()
    for seed in range(3):
        v = random(4, R.channels, *shape, seed=seed)
        kept = v.clone()
        R.climb(fast, v, lam, sigma, RELAXATION, scratch)
        Composite.climb(R, plain, v, lam, sigma, RELAXATION, scratch)
        assert torch.equal(v, kept)
        assert torch.allclose(fast, plain, rtol=0, atol=1e-13)
        assert torch.allclose(R.pull(fast, torch.full_like(v, 7.0)), R.KT(plain), atol=1e-13)


@pytest.mark.parametrize("R", [TV(0.05), TV(0.05, bounds=(0, 1)), TGV(0.05)], ids=repr)
def test_tomography_has_one_minimum_by_blocks_and_by_the_sparse_matrix(R, monkeypatch):
    A = ParallelBeam.full(24).double()
    y = A(random(16, 1, 24, 24).abs()) + 0.1 * random(16, *A.shape_out, seed=1)
    by_blocks = reconstruct(A, y, R, "pdhg")
    monkeypatch.setattr(tomography, "WORTH", 1_000)
    sparse = reconstruct(A, y, R, "pdhg")
    assert torch.equal(by_blocks.iterations, sparse.iterations)
    assert torch.allclose(by_blocks.x, sparse.x, rtol=0, atol=1e-9)


def test_the_dual_of_the_data_in_images_is_that_in_data(monkeypatch):
    """Where there are more data than pixels p is kept as an image: the same steps."""
    A = ParallelBeam.full(12).double()
    y = A(random(3, 1, 12, 12).abs()) + 0.1 * random(3, *A.shape_out, seed=1)
    images = reconstruct(A, y, TV(0.05))
    module = sys.modules["course_utils.solvers.pdhg"]  # its name in the package is that of the function
    monkeypatch.setattr(module, "_InImages", module._InData)
    data = reconstruct(A, y, TV(0.05))
    assert torch.equal(images.iterations, data.iterations) and bool(images.converged.all())
    assert torch.allclose(images.x, data.x, rtol=0, atol=1e-9)


def test_no_caller_s_tensor_is_changed():
    A = GaussianBlur(12).double()
    x0, y = random(2, 1, 12, 12), random(2, *A.shape_out, seed=1)
    kept = x0.clone(), y.clone()
    reconstruct(A, y, TV(0.1), "pdhg", x0=x0)
    assert torch.equal(x0, kept[0]) and torch.equal(y, kept[1])
