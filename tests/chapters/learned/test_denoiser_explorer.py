"""The explorer of denoisers shows what the solver computes."""

import numpy as np
import pytest
import torch

from course_utils import psnr, reconstruct
from course_utils.chapters.learned import denoiser_explorer as explorer
from course_utils.chapters.learned.denoising import DENOISERS
from course_utils.chapters.learned.rivals import network
from course_utils.chapters.learned.scans import home
from course_utils.solvers import PnPForwardBackward


@pytest.mark.slow
def test_the_image_is_that_of_the_solver():
    made = explorer.denoiser_explorer()
    values = {"denoiser": "1-Lipschitz", "sigma": 0.1, "k": 5}
    figure = made.draw(**values)
    problem = home(20, 2)
    D = network(DENOISERS["1-Lipschitz"])
    found = reconstruct(problem.A, problem.y[:1], PnPForwardBackward(D, 0.1, step=explorer.STEP, max_iter=5))
    shown = torch.as_tensor(np.asarray(figure.axes[1].images[0].get_array()))
    assert torch.allclose(shown, found.x[0, 0], atol=1e-5)
    quality = float(psnr(found.x, problem.x[:1]))
    assert figure.axes[1].get_title() == f"iteration 5: {quality:.1f} dB"
    dot = next(line for line in figure.axes[4].lines if line.get_marker() == "o")
    assert dot.get_xydata()[0] == pytest.approx([5, quality], abs=1e-3)
