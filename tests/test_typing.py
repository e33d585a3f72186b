"""What a type checker tells those who use the library; ``make static`` runs mypy over the library itself."""

import re

import pytest
from needs import needed

from course_utils._files import REPOSITORY

PROGRAM = """\
import torch
from course_utils import GaussianMatrix, Hard, load, measure, pretrained

x = load("mnist").test[:4]
A = GaussianMatrix(150, 28, torch.Generator().manual_seed(0))
y = measure(A, x, sigma=0.05, generator=torch.Generator().manual_seed(1))
R = Hard(pretrained("vae-mnist-8"), lam=0.002)
reveal_type(A)
Hard(pretrained("vae-mnist-8"), lamb=0.002)
GaussianMatrix("many", 28, torch.Generator())
load(28)
"""


@pytest.mark.slow
def test_a_user_is_told_of_wrong_arguments_and_of_nothing_else(tmp_path):
    needed("mypy")
    from mypy import api

    (tmp_path / "program.py").write_text(PROGRAM)
    settings = ["--config-file", str(REPOSITORY / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache")]
    said, complaint, status = api.run([*settings, "--no-warn-unused-configs", str(tmp_path / "program.py")])
    found = [(int(line), word) for line, word in re.findall(r"program\.py:(\d+): error: .*\[([\w-]+)\]", said)]
    assert found == [(9, "call-arg"), (10, "arg-type"), (11, "arg-type")] and status == 1, said + complaint
    assert 'Revealed type is "course_utils.operators.simple.GaussianMatrix"' in said
