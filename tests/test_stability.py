"""Worst-case stability where the worst case is known: linear maps, soft thresholding, networks blind on purpose."""

import pytest
import torch
from registry import seeded

from course_utils import (
    L1,
    TV,
    GaussianBlur,
    GaussianMatrix,
    Hard,
    Identity,
    ParallelBeam,
    Relaxed,
    Tikhonov,
)
from course_utils.generators import Generator
from course_utils.reconstructors import CGLS, FilteredBackProjection, Landweber, Reconstructor
from course_utils.regularisers import H1, TGV, GaussianMixture, HuberTV
from course_utils.regularisers.objective import SQUARED
from course_utils.solvers import reconstruct
from course_utils.stability import attack, erase, hallucinate, local_lipschitz, sweep_budgets, transfer
from course_utils.stability.derivatives import solution_map


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


def norms(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1)


class Linear(Reconstructor):
    """x = M y."""

    def __init__(self, M: torch.Tensor) -> None:
        self.M = M

    def run(self, y, A, trace=False):
        return {"x": (y.flatten(1) @ self.M.T).reshape(-1, *A.shape_in)}


class Bent(Linear):
    """x = tanh(M y): smooth, and not linear."""

    def run(self, y, A, trace=False):
        return {"x": super().run(y, A)["x"].tanh()}


class Opaque(Linear):
    """The same, where autograd cannot look."""

    @torch.no_grad()
    def run(self, y, A, trace=False):
        return super().run(y, A)


def blur() -> GaussianBlur:
    return GaussianBlur(8, width=3).double()


def rays() -> ParallelBeam:
    return ParallelBeam(12, n_angles=8, n_detectors=17).double()


def matrix_of(A, method) -> torch.Tensor:
    """Of a linear method, column by column."""
    units = torch.eye(A.m, dtype=torch.float64).reshape(-1, *A.shape_out)
    return reconstruct(A, units, method).x.flatten(1).T


LINEAR = {
    "matrix": lambda: (blur(), Linear(torch.diag(torch.linspace(0.2, 3, 64, dtype=torch.float64))), "autograd"),
    "FBP": lambda: (rays(), FilteredBackProjection(), "autograd"),
    "Tikhonov": lambda: (blur(), Tikhonov(0.01), "implicit"),
    "H1": lambda: (rays(), H1(0.05), "implicit"),
    "Landweber": lambda: (blur(), Landweber(20), "frozen"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_of_a_linear_method_the_worst_perturbation_is_the_first_singular_vector(name):
    A, method, gradient = LINEAR[name]()
    y, budget = drawn(2, *A.shape_out), torch.tensor([0.5, 2.0], dtype=torch.float64)
    U, S, Vh = torch.linalg.svd(matrix_of(A, method))
    found = attack(A, y, method, budget, seeded(), n_starts=2, steps=60, draws=4)
    assert found.gradient == gradient and (norms(found.e) <= budget * (1 + 1e-9)).all()
    assert (found.effect >= 0.99 * S[0] * budget).all() and (found.effect <= (1 + 1e-4) * S[0] * budget).all()
    top = Vh[S >= 0.95 * S[0]]  # those nearly as large cannot be told from the first
    assert ((found.e.flatten(1) @ top.T).norm(dim=1) >= 0.95 * budget).all()
    steep = local_lipschitz(A, y, method, seeded(1), steps=300, tol=1e-8)
    assert torch.allclose(steep.constant, S[0].expand(2), rtol=2e-3) and steep.gradient == gradient
    assert torch.allclose(norms(steep.direction), torch.ones(2, dtype=torch.float64))


def test_every_problem_has_its_own_weight_in_all_its_starts():
    A, y = Identity(4).double(), drawn(3, 1, 4, 4)
    lam = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    found = attack(A, y, Tikhonov(lam), 0.5, seeded(), n_starts=2, steps=3, draws=3)
    assert torch.allclose(found.effect, 0.5 / (1 + lam)) and torch.allclose(found.believed, found.effect)


def test_soft_thresholding_passes_on_what_falls_on_the_entries_that_it_keeps():
    """x = sign(y) max(|y| - 1, 0) for lam = 2."""
    A, y = Identity(4).double(), torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    y[0, 0, :2, 0] = 3
    found = attack(A, y, L1(2.0), 0.5, seeded(), steps=60, draws=4)
    assert found.gradient == "fixed point"
    assert 0.495 <= float(found.effect[0]) <= 0.5 + 1e-6 and float(norms(found.e[:1, :, :2, :1])) >= 0.49
    # below the threshold nothing passes, and no gradient says where to go
    assert found.effect[1] == 0 and found.random_max[1] == 0
    steep = local_lipschitz(A, y, L1(2.0), seeded(1))
    assert torch.allclose(steep.constant, torch.tensor([1.0, 0.0], dtype=torch.float64), atol=1e-4)


class Waves(Generator):
    """Two latent variables to 8 x 8 pixels, without a kink."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.config, self.latent_dim, self.image_shape = None, 2, (1, 8, 8)
        self.W = torch.nn.Parameter(torch.randn(64, 2, generator=seeded(6), dtype=torch.float64), requires_grad=False)

    def forward(self, z):
        return (z @ self.W.T).sin().reshape(-1, 1, 8, 8)


def mixture() -> GaussianMixture:
    return GaussianMixture(*(part.double() for part in (torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])))


def kinds() -> dict:
    """Methods with a derivative that is not that of a linear map, and how exact it is."""
    G, A = Waves(), GaussianMatrix(40, 8, seeded()).double()
    tight, started = {"tol": 1e-12, "max_iter": 400}, {"start": torch.full((2, 2), 0.2, dtype=torch.float64)}
    return {
        "hard": (A, Hard(G, 0.1), tight | started, 1e-3),
        "hard, mixture": (A, Hard(G, 0.1, mixture()), {"tol": 1e-12, "max_iter": 2000} | started, 1e-3),
        "relaxed": (A, Relaxed(G, 0.5, 0.1), tight | started, 1e-3),
        "Huber": (blur(), HuberTV(0.05, epsilon=0.2), {"tol": 1e-14, "max_iter": 2000}, 5e-3),
        "TV": (rays(), TV(0.05), {"tol": 1e-12, "max_iter": 20_000}, 3e-2),
        "TV, bounds": (rays(), TV(0.05, bounds=(0.2, 0.8)), {"tol": 1e-12, "max_iter": 20_000}, 3e-2),
        "TGV": (blur(), TGV(0.02), {"tol": 1e-12, "max_iter": 20_000}, 3e-2),
        "CGLS": (blur(), CGLS(4), {}, 1e-6),
        "network": (blur(), Bent(torch.randn(64, 64, generator=seeded(3), dtype=torch.float64) / 8), {}, 1e-6),
    }


@pytest.mark.parametrize(
    "name", ["hard", "hard, mixture", "relaxed", "Huber", "TV", "TV, bounds", "TGV", "CGLS", "network"]
)
def test_the_derivative_is_that_of_the_method_itself(name):
    """Against differences of two solves to high accuracy; J and its transpose against each other."""
    A, method, settings, tol = kinds()[name]
    y, e = drawn(2, *A.shape_out), drawn(2, *A.shape_out, seed=1) - 0.5
    phi = solution_map(A, y, method, "auto", SQUARED, settings, "auto")
    point = phi.at(y)
    w = torch.randn(point.x.shape, generator=seeded(2), dtype=torch.float64)
    for _ in range(12 if phi.gradient == "fixed point" else 1):  # each call goes on where the last one ended
        forward, backward = point.jvp(e), point.vjp(w)
    h = 1e-4
    across = (phi.images(y + h * e) - phi.images(y - h * e)) / (2 * h)
    assert (norms(forward - across) <= tol * norms(across)).all()
    left, right = (forward * w).flatten(1).sum(1), (backward * e).flatten(1).sum(1)
    assert torch.allclose(left, right, rtol=tol, atol=tol * float(norms(forward).max()))


def test_small_attacks_reach_the_lipschitz_constant_and_large_ones_do_not_exceed_what_is_possible():
    A, M = blur(), torch.randn(64, 64, generator=seeded(3), dtype=torch.float64) / 8
    y = drawn(2, *A.shape_out)
    steep = local_lipschitz(A, y, Bent(M), seeded(), steps=300, tol=1e-9).constant
    found = sweep_budgets(A, y, Bent(M), [1e-3, 1.0, 10.0], seeded(1), steps=80)
    assert torch.allclose(found[0].effect / 1e-3, steep, rtol=5e-3)
    bound = torch.linalg.matrix_norm(M, 2)
    assert all((one.effect <= bound * one.budget * (1 + 1e-6)).all() for one in found)


@pytest.mark.parametrize("name", ["network", "TV", "hard"])
def test_attacks_beat_random_perturbations_and_never_fall_with_the_budget(name):
    A, method, settings, _ = kinds()[name]
    settings = {k: v for k, v in settings.items() if k == "start"}
    y = drawn(2, *A.shape_out)
    found = sweep_budgets(A, y, method, [0.01, 0.1, 1.0], seeded(), n_starts=2, steps=6, draws=4, settings=settings)
    for one in found:
        assert (one.value >= one.random_max).all() and torch.equal(one.value, one.effect)
        assert (norms(one.e) <= one.budget * (1 + 1e-6)).all() and (one.trace.diff(dim=0) >= 0).all()
    assert (found[0].value > 1.2 * found[0].random_max).all()
    assert all((b.value >= a.value).all() for a, b in zip(found, found[1:], strict=False))


def test_an_attack_is_made_again_by_its_seed_and_says_what_it_did():
    A, y, truth = blur(), drawn(2, 1, 8, 8), drawn(2, 1, 8, 8, seed=4)
    one, again = (attack(A, y, Tikhonov(0.1), 0.3, seeded(7), steps=4, truth=truth) for _ in range(2))
    assert torch.equal(one.e, again.e) and (one.seed, one.steps, one.n_starts) == (7, 4, 3)
    # the image itself, ten draws, one point, five looks of three starts, three ends, and the result
    assert one.evaluations == 1 + 10 + 1 + 5 * 3 + 3 + 1
    assert one.psnr_before.shape == one.psnr_after.shape == (2,)
    worse = attack(A, y, Tikhonov(0.1), 0.3, seeded(7), steps=20, truth=truth, aim="error")
    assert (worse.psnr_after < one.psnr_before).all() and (worse.psnr_after <= one.psnr_after).all()


def test_a_budget_of_nothing_does_nothing():
    found = attack(blur(), drawn(1, 1, 8, 8), Tikhonov(0.1), 0.0, seeded(), steps=2)
    assert found.effect == 0 and torch.equal(found.e, torch.zeros_like(found.e))


def test_without_a_derivative_the_search_compares_values_and_says_so():
    A, y = blur(), drawn(2, 1, 8, 8)
    M = torch.diag(torch.linspace(0, 3, 64, dtype=torch.float64) ** 2)
    with pytest.raises(TypeError, match="'method' .*gradient='none'"):
        attack(A, y, Opaque(M), 1.0, seeded())
    with pytest.raises(TypeError, match="'method'"):
        local_lipschitz(A, y, Opaque(M), seeded())
    blind = attack(A, y, Opaque(M), 1.0, seeded(), steps=100, gradient="none")
    seeing = attack(A, y, Linear(M), 1.0, seeded(), steps=30)
    assert blind.gradient == "none" and (blind.value > 1.2 * blind.random_max).all()
    assert (seeing.value >= blind.value).all()


def test_the_transfer_of_a_method_to_itself_is_its_own_effect():
    A, y = blur(), drawn(2, 1, 8, 8)
    methods = {"weak": Tikhonov(0.01), "strong": Tikhonov(1.0), "the same": Tikhonov(0.01), "TV": TV(0.1)}
    found = {name: attack(A, y, method, 0.5, seeded(), steps=5, draws=3) for name, method in methods.items()}
    moved = transfer(A, y, methods, {name: one.e for name, one in found.items()} | {"none": torch.zeros_like(y)})
    assert moved.targets == list(methods) and moved.sources == [*methods, "none"]
    for k, one in enumerate(found.values()):
        assert torch.equal(moved.effect[k, k], one.effect)
    assert torch.equal(moved.effect[:, 0], moved.effect[:, 2]) and not moved.effect[4].any()
    assert (moved.mean()[0] > 0).all() and moved.mean()[0, 1] < moved.mean()[0, 0]


def blind_spot() -> tuple[torch.Tensor, torch.Tensor]:
    """An orthogonal projection of 8 x 8 images that loses one direction, and that direction."""
    lost = torch.zeros(8, 8, dtype=torch.float64)
    lost[2:4, 2:4] = torch.tensor([[0.5, -0.5], [-0.5, 0.5]])
    return torch.eye(64, dtype=torch.float64) - torch.outer(lost.flatten(), lost.flatten()), lost


def test_what_a_network_ignores_is_erased_and_nothing_else():
    A, (M, lost) = Identity(8).double(), blind_spot()
    y, mask = drawn(2, 1, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    mask[..., 2:4, 2:5] = True
    found = erase(A, y, Linear(M), mask, 0.7, seeded(), steps=100)
    assert (found.ratio < 1e-3).all() and (found.ratio <= found.random.amin(0)).all()
    assert ((found.r.flatten(1) @ lost.flatten()).abs() > 0.7 * 0.999).all() and not found.r[~mask].any()
    assert torch.allclose(found.data_change, torch.full((2,), 0.7, dtype=torch.float64))
    elsewhere = erase(A, y, Linear(M), ~mask, 0.7, seeded(), steps=10)
    assert torch.allclose(elsewhere.ratio, torch.ones(2, dtype=torch.float64))


def test_what_is_erased_resembles_the_template():
    A, (M, _) = Identity(8).double(), blind_spot()
    y, mask = drawn(1, 1, 8, 8), torch.ones(1, 1, 8, 8, dtype=torch.bool)
    lesion = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    lesion[..., 2:4, 2:4] = 1  # orthogonal to what is lost
    found = erase(A, y, Linear(M), mask, 0.7, seeded(), template=lesion, alignment=0.6, steps=100)
    assert float((found.r * lesion).sum()) == pytest.approx(0.7 * 0.6 * 2) and float(norms(found.r)) == pytest.approx(
        0.7
    )
    assert float(found.ratio) == pytest.approx(0.6, abs=1e-3)
    fixed = erase(A, y, Linear(M), mask, 0.7, seeded(), template=lesion, alignment=1.0, steps=2)
    assert torch.allclose(fixed.r, 0.35 * lesion) and float(fixed.ratio) == pytest.approx(1)


def test_what_the_data_do_not_show_counts_as_erased_only_against_the_image():
    A, y = 0.5 * Identity(8).double(), drawn(1, 1, 8, 8)
    mask = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    eye = Linear(torch.eye(64, dtype=torch.float64))
    by_image, by_data = (erase(A, y, eye, mask, 1.0, seeded(), steps=2, against=a).ratio for a in ("image", "data"))
    assert float(by_image) == pytest.approx(0.5) and float(by_data) == pytest.approx(1)


def masks() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    image = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    image[..., 3:5, 3:5] = 1
    around = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    around[..., 2:6, 2:6] = True
    return image, image > 0, around & (image == 0)


def test_a_network_that_paints_a_lesion_is_found_out():
    """It paints the lesion with the weight <y, s>, where s is one pixel far away."""
    A, (image, lesion, around) = Identity(8).double(), masks()
    trigger = torch.zeros(64, dtype=torch.float64)
    trigger[0] = 1
    paints = Linear(torch.eye(64, dtype=torch.float64) + 2 * torch.outer(image.flatten(), trigger))
    y = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    found = hallucinate(A, y, paints, image, lesion, around, 0.5, seeded(), steps=40)
    assert float(found.contrast) == pytest.approx(1.0, abs=1e-3) and found.before == 0
    assert float(found.r.flatten()[0]) == pytest.approx(0.5, abs=1e-3) and not found.r[lesion | around].any()
    assert (found.random <= found.contrast).all()
    honest = hallucinate(
        A, y, Linear(torch.eye(64, dtype=torch.float64)), image, lesion, around, 0.5, seeded(), steps=5
    )
    assert honest.contrast == 0
    # an error of the data may lie on the lesion itself: of norm b it makes the contrast b sqrt(1/4 + 1/12)
    by_data = hallucinate(
        A, y, Linear(torch.eye(64, dtype=torch.float64)), image, lesion, around, 0.5, seeded(), of="data", steps=40
    )
    assert float(by_data.contrast) == pytest.approx(0.5 * (1 / 4 + 1 / 12) ** 0.5, rel=1e-3)


WRONG = {
    "negative budget": (lambda a: a(budget=-1.0), "'budget'"),
    "budgets of others": (lambda a: a(budget=torch.ones(3, dtype=torch.float64)), "'budget'"),
    "no starts": (lambda a: a(n_starts=0), "'n_starts'"),
    "no generator": (lambda a: a(generator=None), "'generator'"),
    "NaN": (lambda a: a(y=torch.full((1, 1, 8, 8), float("nan"), dtype=torch.float64)), "'y'"),
    "no method": (lambda a: a(method=len), "'method'"),
    "no truth": (lambda a: a(aim="error"), "'truth'"),
    "a first beyond the budget": (lambda a: a(first=torch.ones(1, 1, 8, 8, dtype=torch.float64)), "'first'"),
    "another gradient": (lambda a: a(gradient="finite differences"), "'gradient'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_named(name):
    call, said = WRONG[name]
    good = {"A": blur(), "y": drawn(1, 1, 8, 8), "method": Tikhonov(0.1), "budget": 0.5, "generator": seeded()}
    with pytest.raises((TypeError, ValueError), match=said):
        call(lambda **given: attack(**(good | given)))


def test_a_network_that_draws_is_refused():
    class Draws(torch.nn.Module, Linear):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.drop = torch.nn.Dropout(0.5)

    with pytest.raises(ValueError, match="'method' has a Dropout in training mode"):
        attack(blur(), drawn(1, 1, 8, 8), Draws(), 0.5, seeded())


def test_more_bad_input_is_named():
    A, y, (image, lesion, around) = blur(), drawn(1, 1, 8, 8), masks()
    with pytest.raises(ValueError, match="'budgets' must ascend"):
        sweep_budgets(A, y, Tikhonov(0.1), [1.0, 0.5], seeded())
    with pytest.raises(ValueError, match="'methods'"):
        transfer(A, y, {}, {"zero": y})
    with pytest.raises(ValueError, match="'settings'"):
        transfer(A, y, {"one": Tikhonov(0.1)}, {"zero": y}, settings={"other": {}})
    with pytest.raises(ValueError, match="'mask'"):
        erase(A, y, Tikhonov(0.1), lesion & around, 1.0, seeded())
    with pytest.raises(ValueError, match="'template'"):
        erase(A, y, Tikhonov(0.1), around, 1.0, seeded(), template=image)
    with pytest.raises(ValueError, match="'around'"):
        hallucinate(A, y, Tikhonov(0.1), image, lesion, lesion | around, 1.0, seeded())
    with pytest.raises(ValueError, match="'lesioned'"):
        hallucinate(A, y, Tikhonov(0.1), torch.zeros_like(image), lesion, around, 1.0, seeded())
