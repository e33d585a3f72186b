"""The experiments on MNIST: small runs of their jobs, and what is stored of the full ones."""

import matplotlib.pyplot as plt
import pytest
import torch

from course_utils.chapters.family import experiments as family
from course_utils.chapters.regularisers import compressed_sensing, deconvolution, measurements
from course_utils.reproduce.pictures import unpack
from course_utils.results import load_result

EXPERIMENTS = compressed_sensing.EXPERIMENTS | deconvolution.EXPERIMENTS
SMALL = {
    "fig9": ({"generator": "vae", "method": "hard"}, {"n_val": 2, "n_test": 3}),
    "measurements": ({"m": 50, "noise": "bora", "generator": "vae", "methods": ["hard"]}, {"n_val": 2, "n_test": 3}),
    "variants": ({"generator": "vae", "variant": "mixture"}, {"n_val": 2, "n_test": 3, "n_prior": 300}),
    "srec": ({"m": 8, "generator": "vae"}, {"pairs": 60, "descend": 3}),
    "fig7": ({"generator": "none", "method": "tikhonov"}, {}),
    "fig8": ({"generator": "vae"}, {"n_val": 2, "n_test": 2}),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_job_is_a_function_of_its_task(name):
    """Twice the same numbers (but for times), whatever the global seed."""
    task, size = SMALL[name]
    assert task in EXPERIMENTS[name].tasks() or name == "measurements"
    outputs = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        outputs.append(EXPERIMENTS[name].run(**task, **size))

    def timeless(value):
        if isinstance(value, dict):
            return {k: timeless(v) for k, v in value.items() if "ms_per_image" not in k}
        return [timeless(v) for v in value] if isinstance(value, list) else value

    assert timeless(outputs[0]) == timeless(outputs[1])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_stored_is_complete_and_can_be_shown(name):
    record, experiment = load_result(name), EXPERIMENTS[name]
    if name != "measurements":
        keys = list(experiment.tasks()[0])
        assert [[row[k] for k in keys] for row in record["rows"]] == [[t[k] for k in keys] for t in experiment.tasks()]
    figure = experiment.figure(record)
    figure.canvas.draw()
    assert len(figure.alt) > 40
    plt.close(figure)
    story = experiment.story(record)
    assert len(story) > 150 and "nan" not in story
    psnr = [value for row in record["rows"] for value in row.get("psnr", [])]
    assert name == "srec" or psnr


def test_every_generator_has_the_variants_it_allows():
    tasks = {(t["generator"], t["variant"]) for t in family.variant_tasks()}
    assert ("wgan", "critic") in tasks and ("vae", "critic") not in tasks
    assert ("vae", "encoder") in tasks and ("wgan", "encoder") not in tasks
    assert {v for _, v in tasks} == set(family.VARIANTS)


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
