"""Learning to fill masked digits: masks, losses, the theorem behind the control, and what is stored."""

import pytest
import torch
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.chapters.equivariance import imaging
from course_utils.chapters.equivariance.imaging import EXPERIMENTS, drawn, hidden_psnr, seen_pixels, turned_digits
from course_utils.chapters.equivariance.imaging_figures import imaging_table, quality, runs
from course_utils.equivariance import Group, equivariant_imaging_losses
from course_utils.operators import Inpainting
from course_utils.reproduce.setting import seeded

NAME = "equivariant-imaging"
SMALL = {"n_train": 16, "n_test": 8}


def test_a_job_is_a_function_of_its_task():
    task = {"mask": "random", "group": "C4", "loss": "equivariant imaging", "seed": 1}
    assert task | {"steps": imaging.STEPS} in EXPERIMENTS[NAME].tasks()
    experiment = EXPERIMENTS[NAME]

    class Timeless:
        @staticmethod
        def run(**task):
            return {key: value for key, value in experiment.run(**task).items() if key != "seconds"}

    same_twice(Timeless, task | {"steps": 2}, SMALL)


def test_what_is_stored_is_complete_and_can_be_shown():
    record = shown(NAME, EXPERIMENTS[NAME])
    one_row_a_task(EXPERIMENTS[NAME], record)
    heading, lines = imaging_table(record)
    assert len(lines) == 4 and all(len(line) == len(heading) for line in lines)
    pictures = EXPERIMENTS[NAME].more_figures["pictures"](record)
    assert len(pictures.axes) == 6 and "dB" in pictures.alt


def test_the_record_says_what_the_chapter_says():
    """Beyond the spread of the seeds: learned without ground truth, and not where the mask is invariant."""
    record = shown(NAME, EXPERIMENTS[NAME])
    supervised, ours, data = (
        quality(runs(record, "random", loss)) for loss in ("supervised", "equivariant imaging", "data alone")
    )
    assert ours[1] > data[2] + 3 and supervised[1] > data[2] + 3
    # no claim on which of the two is better: their ranges overlap
    assert ours[2] > supervised[1] and supervised[2] > ours[1]
    supervised, ours, data = (
        quality(runs(record, "invariant", loss)) for loss in ("supervised", "equivariant imaging", "data alone")
    )
    assert supervised[1] > ours[2] + 3 and abs(ours[0] - data[0]) < 1


def test_masks_show_about_half_and_only_one_is_invariant():
    for kind, invariant in (("random", False), ("invariant", True)):
        seen = seen_pixels(kind)
        assert 0.4 < float(seen.float().mean()) < 0.6
        assert all(torch.equal(torch.rot90(seen, k), seen) == invariant for k in (1, 2, 3))
    half = imaging.SIZE // 2
    assert torch.equal(seen_pixels("random")[:half, :half], seen_pixels("invariant")[:half, :half])


def test_digits_are_turned_by_all_quarter_turns():
    upright = imaging.load("mnist").test[:40]
    turned = turned_digits("test", 40, 0)
    turns = [
        [torch.equal(torch.rot90(x, k, (1, 2)), v) for k in range(4)] for x, v in zip(upright, turned, strict=True)
    ]
    assert all(sum(found) >= 1 for found in turns)
    assert {found.index(True) for found in turns} == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", ["random", "invariant"])
def test_the_network_is_equivariant_if_the_mask_is(kind):
    A, x, H = Inpainting(seen_pixels(kind)).double(), turned_digits("test", 3, 0).double(), Group("C4")
    network, ordinary = drawn("C4", 0).double(), drawn("C1", 0).double()
    with torch.no_grad():
        for g in (1, 2, 3):
            for made, exact in ((network, kind == "invariant"), (ordinary, False)):
                off = (made(A(H.act(x, g)), A) - H.act(made(A(x), A), g)).norm()
                assert (off < 1e-10) == exact


@pytest.mark.parametrize(("kind", "vanishes"), [("random", False), ("invariant", True)])
def test_the_second_term_vanishes_where_the_mask_is_invariant(kind, vanishes):
    """For every equivariant network that agrees with the data, whatever it puts into the holes."""
    A = Inpainting(seen_pixels(kind)).double()
    hidden = (~seen_pixels(kind)).double()
    y = A(turned_digits("test", 8, 0).double())
    for seed in range(3):
        network = drawn("C4", seed).double()
        with torch.no_grad():
            terms = equivariant_imaging_losses(
                lambda y, A, network=network: A.T(y) + hidden * network(y, A), y, A, seeded(0), "C4"
            )
        assert terms["data"] == 0 and (float(terms["equivariance"]) < 1e-20) == vanishes
        assert vanishes or terms["equivariance"] > 0.1


def test_the_losses_are_their_formulas():
    A, x = Inpainting(seen_pixels("random")), turned_digits("test", 2, 0)
    y = A(x)

    def half(y, A):
        return 0.5 * A.T(y)

    losses = {loss: imaging.loss_of(loss, half, x, y, A, seeded(0)) for loss in imaging.LOSSES}
    assert torch.isclose(losses["supervised"], (0.5 * A.T(y) - x).square().sum() / 2)
    assert torch.isclose(losses["data alone"], 0.25 * y.square().sum() / 2)
    terms = equivariant_imaging_losses(half, y, A, seeded(0), "C4", weight=imaging.WEIGHT)
    assert losses["equivariant imaging"] == terms["loss"] > losses["data alone"]


def test_hidden_pixels_alone_are_judged():
    seen, x = seen_pixels("random"), torch.zeros(2, 1, 28, 28)
    assert hidden_psnr(x + seen + 0.1 * ~seen, x, seen) == pytest.approx(20)
