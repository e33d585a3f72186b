"""The search for the weights of the tomography tables: grids that grow, and where they begin."""

import numpy as np
import pytest
import torch

from course_utils import Tikhonov, psnr, reconstruct
from course_utils.chapters.tomography import experiments as tomography
from course_utils.chapters.tomography import real as real_tomography
from course_utils.chapters.tomography import searching
from course_utils.operators import Identity
from course_utils.tuning import geometric


def noisy_ones(n=3):
    x = torch.ones(n, 1, 8, 8)
    return x, x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def test_a_grid_grows_until_its_best_is_inside():
    """Against the whole grid at once: y / (1 + lam) is nearest to the truth where 1 + lam is 1.25 or so."""
    x, y = noisy_ones()
    y = 1.25 * y
    found = searching.grown_grid(Identity(8), (x, y), Tikhonov, lam=[4.0, 2.0, 1.0])
    whole = geometric(4.0, 0.1, 0.5)
    tried = {lam: float(psnr(reconstruct(Identity(8), y, Tikhonov(lam)).x, x).mean()) for lam in whole}
    assert found["lam"] == max(tried, key=tried.get) == 0.25 and not found["at_edge_of_grid"]
    assert found["val_psnr"] == pytest.approx(max(tried.values()), abs=2e-3)
    assert found["flat"]["lam"] == [0.25, 0.25] and found["tried"] == 6


def test_where_no_grid_is_long_enough_the_search_says_so():
    x, _ = noisy_ones()
    found = searching.grown_grid(Identity(8), (x, x), Tikhonov, lam=[1.0, 0.5])  # exact data want no penalty
    assert found["lam"] == pytest.approx(0.5 ** (1 + searching.MOST)) and found["at_edge_of_grid"] == ["lam"]


def test_two_weights_grow_one_by_one():
    """A score whose best place is known, far from where the search begins."""
    x, y = noisy_ones()
    aim = {"lam": 32.0, "mu": 0.25}

    def score(found):
        far = [sum(abs(np.log2(w[name] / aim[name])) for name in aim) for w in found.parameters]
        return -torch.tensor(far, dtype=torch.float64)

    found = searching.grown_grid(
        Identity(8), (x, y), lambda lam, mu: Tikhonov(lam), lam=[1.0, 2.0, 4.0], mu=[4.0, 2.0, 1.0], score=score
    )
    assert {name: found[name] for name in aim} == aim and not found["at_edge_of_grid"]
    assert found["tried"] < 9 * 8  # not the whole product


def test_tv_and_sparse_tv_begin_alike():
    assert tomography.GRIDS["tv"]["lam"] == tomography.GRIDS["sparse-tv"]["lam"]
    for data in ("tilt", "ct"):
        assert len({tuple(real_tomography.first_grid(m, data)["lam"]) for m in ("tv", "sparse-tv")}) == 1


def test_narrow_grids_move_with_the_noise():
    for method in tomography.NARROW:
        wide, low = (tomography.first_grid(method, sigma, narrow=True) for sigma in (0.1, 0.05))
        assert wide == tomography.NARROW[method]
        # the weight of z, lam mu, is that of a square, and goes with the variance
        assert low["lam"][0] * low["mu"][0] == pytest.approx(0.25 * wide["lam"][0] * wide["mu"][0])
