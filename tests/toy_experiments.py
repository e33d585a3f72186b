"""Small experiments for the tests of the runner; in a module of their own, which workers can import.

$TOY_LOG names a file that gets a line for every job that is really computed.
"""

import os
import time

import torch

from course_utils.reproduce.experiment import Experiment


def note(line: str) -> None:
    """Append a line to the log; short appends do not mix, so several processes may write."""
    if path := os.environ.get("TOY_LOG"):
        with open(path, "a", encoding="utf-8") as log:
            log.write(f"{line} {os.getpid()}\n")


def draws(seed: int, pause: float = 0.0) -> dict:
    """Numbers that any change of seed, order or process would change."""
    x = torch.randn(50, 50, generator=torch.Generator().manual_seed(seed))
    time.sleep(pause)
    note(f"draws {seed}")
    return {"norm": float((x @ x).norm()), "pair": (seed, seed + 1), "seconds": time.time()}


def failing(seed: int) -> dict:
    """Fails for seed 2; kills its own process for seed 3."""
    if seed == 2:
        raise ArithmeticError("seed 2 does not converge")
    if seed == 3:
        os._exit(9)
    return {"seed": seed}


def not_a_number(seed: int) -> dict:
    return {"psnr": [1.0, float("nan")]}


def threads(big: bool, index: int = 0) -> dict:
    note(f"big {big}")
    time.sleep(0.1)
    return {"threads": torch.get_num_threads(), "process": os.getpid()}


def picture(record: dict):
    """The figure of "draws"."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([row["norm"] for row in record["rows"]])
    return figure


def story(record: dict) -> str:
    return f"{len(record['rows'])} norms."


def seeds(n: int, **more) -> list[dict]:
    return [{"seed": seed} | more for seed in range(n)]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in [
        Experiment("fig2", "six draws", lambda: seeds(6), draws, {"size": 50}, figure=picture, story=story),
        Experiment("slow", "eight slow draws", lambda: seeds(8, pause=0.3), draws, {"size": 50}),
        Experiment("failing", "one of two fails", lambda: [{"seed": 1}, {"seed": 2}], failing, {}),
        Experiment("deadly", "one of three kills its worker", lambda: [{"seed": s} for s in (1, 3, 4)], failing, {}),
        Experiment("nan", "not a number", lambda: seeds(1), not_a_number, {}),
        Experiment(
            "alone", "one job wants the machine for itself",
            lambda: [{"big": True}] + [{"big": False, "index": i} for i in range(3)],
            threads, {}, alone=lambda task: task["big"],
        ),
    ]
}  # fmt: skip
