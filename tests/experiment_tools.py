"""What is asked of every experiment: a job depends on its task alone, and the stored record is complete."""

import matplotlib.pyplot as plt
import torch

from course_utils.results import load_result


def timeless(value):
    """The output of a job without the times in it."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if "ms_per_image" not in k}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def same_twice(experiment, task: dict, size: dict) -> None:
    """Twice the same numbers (but for times), whatever the global seed."""
    outputs = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        outputs.append(experiment.run(**task, **size))
    assert timeless(outputs[0]) == timeless(outputs[1])


def one_row_a_task(experiment, record: dict) -> None:
    keys = list(experiment.tasks()[0])
    assert [[row[k] for k in keys] for row in record["rows"]] == [[t[k] for k in keys] for t in experiment.tasks()]


def shown(name: str, experiment) -> dict:
    """The stored record, once it has been drawn and told."""
    record = load_result(name)
    figure = experiment.figure(record)
    figure.canvas.draw()
    assert len(figure.alt) > 40
    plt.close(figure)
    story = experiment.story(record)
    assert len(story) > 150 and "nan" not in story
    return record
