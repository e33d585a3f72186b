"""The experiments of chapter 05: small runs of their jobs, and what is stored of the full ones."""

import pytest
from experiment_tools import one_row_a_task, same_twice, shown

from course_utils.chapters.regularisers import compressed_sensing, deconvolution, measurements, starts
from course_utils.reproduce.pictures import unpack
from course_utils.results import load_result

EXPERIMENTS = compressed_sensing.EXPERIMENTS | deconvolution.EXPERIMENTS | starts.EXPERIMENTS
SMALL = {
    "fig9": ({"generator": "vae", "method": "hard"}, {"n_val": 2, "n_test": 3}),
    "table-runs": ({"generator": "vae", "method": "hard", "seed": 1}, {"n_val": 2, "n_test": 3}),
    "measurements": ({"m": 50, "noise": "bora", "generator": "vae", "methods": ["hard"]}, {"n_val": 2, "n_test": 3}),
    "fig7": ({"generator": "none", "method": "tikhonov"}, {}),
    "starts": ({"generator": "vae"}, {"n_images": 2, "n_starts": 3}),
    "fig8": ({"generator": "vae"}, {"n_val": 2, "n_test": 2}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_job_is_a_function_of_its_task(name):
    task, size = SMALL[name]
    assert task in EXPERIMENTS[name].tasks() or name == "measurements"
    same_twice(EXPERIMENTS[name], task, size)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_stored_is_complete_and_can_be_shown(name):
    record = shown(name, EXPERIMENTS[name])
    assert [value for row in record["rows"] for value in row.get("psnr", [])]
    if name != "measurements":
        one_row_a_task(EXPERIMENTS[name], record)


def test_measurements_cover_both_noises():
    tasks = measurements.measurement_tasks()
    covered = {(t["m"], t["noise"], t["generator"], m) for t in tasks for m in t["methods"]}
    assert len(covered) == sum(len(t["methods"]) for t in tasks)
    for m in measurements.COUNTS:
        assert {(m, "bora", "vae", k) for k in ("hard", "relaxed", "sparse")} <= covered
        assert (m, "paper", "none", "tv") in covered


def test_crossover():
    falls = {10: 0.1, 100: 0.01, 1000: 0.001}
    assert measurements.crossover({10: 0.01, 100: 0.01, 1000: 0.01}, falls) == pytest.approx(100)
    assert measurements.crossover(falls, {10: 0.2, 100: 0.2, 1000: 0.2}) is None
    assert measurements.crossover({m: 2 * v for m, v in falls.items()}, falls) == 10.0


def test_images_survive_the_file():
    row = next(r for r in load_result("fig8")["rows"] if r["generator"] == "vae")
    images = unpack(row["images"], 28)
    assert images.shape == (3, 1, 28, 28) and 0 <= float(images.min()) < float(images.max()) <= 1


def test_the_histogram_counts_every_start_once():
    for family, values in starts.ends().items():
        assert values.shape == (10, 50), family
        for image, row in enumerate(values):
            counts = starts.counted(row)
            assert sum(counts) == 50
            inside = [int(((row >= low) & (row < low + 1)).sum()) for low in starts.BINS[1:-2]]
            assert counts[1:-1] == inside, (family, image)
