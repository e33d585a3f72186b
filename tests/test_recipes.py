"""CONTRIBUTING's recipes work: in a copy of the course a toy of each kind is added, and it runs at once.

Each edits at most three files that are there already; everything else is new.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from course_utils._files import REPOSITORY

MOST = 3
pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path):
    """A copy of code and texts; shipped data and weights stay where they are."""
    target = tmp_path / "course"
    ignored = shutil.ignore_patterns("shipped", "__pycache__", "*.ipynb", "student", "_build", ".ipynb_checkpoints")
    for name in ("course_utils", "notebooks", "book"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignored)
    (target / "course_utils" / "shipped").symlink_to(REPOSITORY / "course_utils" / "shipped")
    shutil.copy(REPOSITORY / "README.md", target)
    return target


def state(folder):
    files = [
        path for path in folder.rglob("*") if path.suffix in (".py", ".md", ".yml") and "shipped" not in path.parts
    ]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")


def appended(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def runs(folder, code):
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def edited(before, folder):
    after = state(folder)
    assert before.keys() <= after.keys()
    return [path for path, digest in before.items() if after[path] != digest]


def test_a_regulariser_is_one_file_and_one_export(copy):
    before = state(copy)
    written(copy, {"course_utils/regularisers/toy.py": '''
        """Elastic net."""
        from .base import Regulariser


        class ElasticNet(Regulariser):
            """The 1-norm and the squared norm."""

            def __call__(self, x):
                return x.flatten(1).abs().sum(1) + x.flatten(1).pow(2).sum(1)

            def prox(self, x, tau):
                tau = tau.reshape(-1, 1, 1, 1)
                return (x - x.clamp(-tau, tau)) / (1 + 2 * tau)


        class Smooth(Regulariser):
            """The sum of fourth powers: a gradient and nothing else."""

            smooth = True

            def __call__(self, x):
                return x.flatten(1).pow(4).sum(1)
        '''})  # fmt: skip
    appended(copy / "course_utils/regularisers/__init__.py", "\nfrom .toy import ElasticNet, Smooth  # noqa: E402\n")
    said = runs(copy, """
        import torch
        from course_utils import GaussianBlur, reconstruct
        from course_utils.regularisers import ElasticNet, Smooth
        from course_utils.solvers import algorithms_of
        A = GaussianBlur(12)
        y = A(torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)))
        for R in (ElasticNet(0.01), Smooth(0.01)):
            result = reconstruct(A, y, R)
            zero = R.problem(A, y).value(torch.zeros_like(y))
            assert bool(result.converged.all()) and bool((result.objective < 0.1 * zero).all())
            print(*algorithms_of(R.problem(A, y)))
    """)  # fmt: skip
    assert said.splitlines() == ["fista forward-backward", "lbfgs paper"]
    assert len(edited(before, copy)) <= MOST


def test_a_reconstructor_is_one_file_and_one_export(copy):
    before = state(copy)
    written(copy, {"course_utils/reconstructors/toy.py": '''
        """One learned factor."""
        from dataclasses import asdict, dataclass

        import torch
        from torch import nn

        from ..families import family
        from ..operators import GaussianBlur, measure
        from .base import LearnedReconstructor


        @dataclass(frozen=True)
        class FactorConfig:
            size: int
            family: str = "factor"


        @family("factor", config=FactorConfig)
        class Factor(LearnedReconstructor):
            """x = c A^T y."""

            def __init__(self, config):
                super().__init__()
                self.config, self.image_shape = config, (1, config.size, config.size)
                self.c = nn.Parameter(torch.zeros(()))

            def forward(self, y, A=None):
                return self.c * A.T(y)

            def losses(self, x, generator):
                A = GaussianBlur(self.config.size)
                return {"loss": (x - self(measure(A, x, 0.01, generator), A)).pow(2).flatten(1).sum(1).mean()}

            def settings(self):
                return asdict(self.config)
        '''})  # fmt: skip
    appended(
        copy / "course_utils/reconstructors/__init__.py", "\nfrom .toy import Factor, FactorConfig  # noqa: E402\n"
    )
    runs(copy, """
        import torch
        from course_utils import GaussianBlur, reconstruct
        from course_utils.families import build, configure
        from course_utils.reconstructors import FactorConfig
        from course_utils.training import TrainConfig, train
        x = torch.rand(32, 1, 12, 12, generator=torch.Generator().manual_seed(0))
        network = build(configure({"family": "factor", "size": 12}), seed=0)
        assert network.settings() == {"size": 12, "family": "factor"} and network.config == FactorConfig(12)
        config = TrainConfig(steps=60, batch_size=8, lr=0.1, ema=0.5, validate_every=20)
        report = train(network, x, x, config, progress=False)
        assert report["history"][-1]["score"] < report["history"][0]["score"]
        A = GaussianBlur(12)
        result = reconstruct(A, A(x), network.freeze())
        assert result.x.shape == x.shape and result.objective is None and bool(result.converged.all())
    """)  # fmt: skip
    assert len(edited(before, copy)) <= MOST


def test_an_operator_is_one_file_and_one_export(copy):
    before = state(copy)
    written(copy, {"course_utils/operators/toy.py": '''
        """Every second row."""
        import torch

        from .base import LinearOperator


        class Rows(LinearOperator):
            """Keeps every second row."""

            def __init__(self, size):
                super().__init__((1, size, size), (1, (size + 1) // 2, size), scale=1.0)
                self.register_buffer("zero", torch.zeros(()))

            def _forward(self, x):
                return x[:, :, ::2]

            def _adjoint(self, y):
                x = y.new_zeros(len(y), *self.shape_in)
                x[:, :, ::2] = y
                return x
        '''})  # fmt: skip
    appended(copy / "course_utils/operators/__init__.py", "\nfrom .toy import Rows  # noqa: E402\n")
    runs(copy, """
        import torch
        from course_utils import TV, Tikhonov, dot_test, operator_norm, reconstruct
        from course_utils.operators import GaussianBlur, Rows
        A = Rows(12).double()
        assert dot_test(A) < 1e-14 and abs(operator_norm(A) - 1) < 1e-9
        B = 2 * (Rows(12) @ GaussianBlur(12))
        y = B(torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0)))
        for R in (Tikhonov(1e-3), TV(1e-3)):
            assert bool(reconstruct(B, y, R).converged.all())
    """)  # fmt: skip
    assert len(edited(before, copy)) <= MOST


def test_a_chapter_is_a_folder_a_text_a_page_of_notes_and_a_list_of_sources(copy):
    before = state(copy)
    written(copy, {
        "course_utils/chapters/toy/__init__.py": '"""A toy."""\n',
        "course_utils/chapters/toy/chapter.yml": """
            number: 99
            slug: toy
            title: A toy
            question: Does it play?
            minutes: {read: "1", run: "1"}
            explorers: {toy: "explorer:toy_explorer"}
            experiments: [experiments]
            """,
        "course_utils/chapters/toy/explorer.py": '''
            """A line."""
            import ipywidgets
            from matplotlib.figure import Figure

            from ...explore import Explorer


            def toy_explorer():
                def draw(size):
                    figure = Figure(figsize=(2, 2))
                    figure.subplots().plot([0, size])
                    return figure

                control = ipywidgets.IntSlider(1, 0, 3, description="size", tooltip="length")
                return Explorer("toy", {"size": control}, draw, alt="A line.", frames={"size": [0, 1, 2, 3]})
            ''',
        "course_utils/chapters/toy/experiments.py": '''
            """One job."""
            from ...reproduce.experiment import Experiment


            def run(n):
                return {"square": n * n}


            EXPERIMENTS = {
                "toy": Experiment("toy", "A toy", lambda: [{"n": 3}], run, {}, figure=print, story=lambda r: "9")
            }
            ''',
        "notebooks/99-toy.py": "# %% [markdown]\n# # 99 A toy\n#\n# ## 1 Play\n\n# %%\n1 + 1\n",
        "book/teaching/99.md": "## 99 A toy\n",
        "book/sources/99.yml": "1: ours\n",
    })  # fmt: skip
    said = runs(copy, """
        import os, sys
        os.environ["COURSE_RESULTS"] = "results"
        from course_utils.explore import EXPLORERS
        from course_utils.notebooks import main
        from course_utils.reproduce.__main__ import main as reproduce
        from course_utils.reproduce.registry import experiments
        assert EXPLORERS["toy"]().png(size=2)[1:4] == b"PNG" and "toy" in experiments()
        assert main(["build"]) == 0 and main(["check"]) == 0
        assert reproduce(["toy", "--jobs", "1"]) == 0
        sys.path.insert(0, "book")
        import pages
        assert "notebooks/99-toy" in pages.contents() and "99 A toy" in pages.teaching()
        assert "[99 A toy](notebooks/99-toy.ipynb)" in pages.sources()
    """)  # fmt: skip
    assert "99-toy.ipynb" in said
    assert "[A toy](notebooks/99-toy.ipynb)" in (copy / "README.md").read_text(encoding="utf-8")
    changed = edited(before, copy)
    assert {path.name for path in changed} == {"README.md", "00-start-here.py"}, "both are written by the build"
