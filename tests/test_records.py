"""Every stored record can be read by the code as it is: it is drawn, and its story is told."""

import pytest
from matplotlib import pyplot as plt

from course_utils.reproduce.registry import experiments
from course_utils.results import load_result, origin, results_dir

EXPERIMENTS = experiments()
#: Written by other commands, and not drawn.
OTHERS = {"benchmark", "lab-latency"}


def test_every_record_belongs_to_an_experiment_and_every_experiment_has_one():
    assert {path.stem for path in results_dir().glob("*.json")} == EXPERIMENTS.keys() | OTHERS


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.slow
def test_a_record_is_drawn_and_told(name):
    experiment, record = EXPERIMENTS[name], load_result(name)
    assert "computed" in origin(record)
    for draw in (experiment.figure, *experiment.more_figures.values()):
        figure = draw(record)
        figure.canvas.draw()
        assert figure.axes or figure.images
        plt.close(figure)
    assert any(character.isdigit() for character in experiment.story(record))
