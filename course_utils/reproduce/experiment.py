"""What an experiment is: independent jobs, each a pure function of its task, and how their results are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Experiment"]


@dataclass(frozen=True)
class Experiment:
    """One figure or table of the paper at full size.

    Attributes
    ----------
    name : str
        As on the command line, and of the file in ``results/``: "fig9", "table-measurements".
    title : str
        One line for lists.
    tasks : callable
        ``tasks()`` -> list of dicts of plain JSON values, one per job.  A job must not depend on another.
    run : callable
        ``run(**task)`` -> dict of plain JSON values.  A function at module level that depends on its arguments
        alone (seeds among them), so that it may run in another process, on another machine, or not at all if its
        result is already stored.  Name times so that ``compare`` knows them: "seconds..." or "ms_per_image".
    settings : dict
        What all jobs have in common and a reader wants to know: sizes, seeds, grids.
    collect : callable
        ``collect(tasks, outputs)`` -> content of the results file.  Default: {"rows": [task | output, ...]}.
    figure : callable, optional
        ``figure(record)`` -> matplotlib Figure, drawn from the stored record alone.
    more_figures : dict of name -> callable
        Other figures of the same record.
    story : callable, optional
        ``story(record)`` -> a few sentences with the numbers: what the figure shows and whether it agrees with the
        paper's.
    alone : callable
        ``alone(task)`` -> True for a job that must not share the machine with others, as it needs most of the memory.
    joins : bool
        It only adds its jobs to the experiment of the same name that another chapter has.
    parts : tuple of Experiment
        Those that join it, as the registry finds them.
    """

    name: str
    title: str
    tasks: Callable[[], list[dict]]
    run: Callable[..., dict]
    settings: dict
    collect: Callable[[list[dict], list[dict]], dict] = lambda tasks, outputs: {
        "rows": [task | output for task, output in zip(tasks, outputs, strict=True)]
    }
    figure: Callable[[dict], object] | None = None
    more_figures: dict[str, Callable[[dict], object]] = field(default_factory=dict)
    story: Callable[[dict], str] | None = None
    alone: Callable[[dict], bool] = lambda task: False
    joins: bool = False
    parts: tuple[Experiment, ...] = ()
