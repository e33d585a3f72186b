"""The deep equilibrium network of chapter 09: rates against a map that is known, gradients by two ways."""

import matplotlib.pyplot as plt
import pytest
import torch

from course_utils.chapters.learned import deep_equilibrium
from course_utils.reconstructors import Equilibrium, EquilibriumConfig, Home


def toy():
    network = Equilibrium(EquilibriumConfig(Home(28, sigma=0.05, m=150), width=4), seed=1)
    A = network.trained_with
    x = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return network, A, x, A(x)


class Linear:
    """x -> J x + A^T y on images of two pixels, with a J that is known."""

    J = torch.tensor([[0.5, 0.4], [0.0, 0.5]]).double()

    def iterate(self, x, y, A):
        return (x.flatten(1) @ self.J.T).reshape(x.shape) + A.T(y)


class Two:
    shape_in = (1, 1, 2)

    def T(self, y):
        return y


def test_the_rates_of_a_linear_map_are_those_of_its_matrix():
    y = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    found = deep_equilibrium.contraction_of(Linear(), y, Two(), torch.Generator().manual_seed(0), n_iter=40)
    assert float(found.norm) == pytest.approx(float(torch.linalg.matrix_norm(Linear.J, 2)), rel=1e-3)
    assert float(found.radius) == pytest.approx(0.5, abs=0.03)
    assert float(found.ratio) == pytest.approx(0.5, abs=0.03), "steps shrink as the radius says, not as the norm"
    figure = deep_equilibrium.iterations_figure(found)
    assert len(figure.alt) > 40 and len(figure.axes[0].get_legend().get_texts()) == 3
    plt.close(figure)


def test_both_gradients_are_the_same():
    network, A, x, y = toy()
    exact = deep_equilibrium.tightened(network)
    x, y, A = x.double(), y.double(), exact.trained_with
    implicit, (unrolled, short) = deep_equilibrium.gradients(exact, y, A, x, (150, 1))
    assert float((implicit - unrolled).norm() / unrolled.norm()) < 1e-4
    assert float((implicit - short).norm() / unrolled.norm()) > 0.05, "a single step has another gradient"
