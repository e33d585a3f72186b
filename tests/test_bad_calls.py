"""Every function of the library is called with bad values: one error that names the argument, no hang, no silence.

The calls are generated.  A parameter has a kind, by its annotation or its name, and each kind has bad values
(``bad_values``); the others get good ones.  A function that is new is found here, and a parameter that is not known yet
makes the test fail until ``bad_values`` knows it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import bad_equivariance  # noqa: F401  (enters its values in the tables)
import numpy as np
import pytest
import torch
from bad_values import (
    ALLOWED,
    BAD,
    GOOD,
    INSTANCES,
    INSTEAD,
    KIND,
    NAMED,
    OPEN,
    OWN,
    OWN_KIND,
    PROBLEMS,
    SLOW,
    bad_tensors,
    built,
)
from measured import MEASURED

from course_utils._files import REPOSITORY
from course_utils.operators import LinearOperator
from course_utils.regularisers import Objective
from course_utils.regularisers.generative import InnerProblem
from course_utils.regularisers.registry import ALGORITHMS
from course_utils.solvers import reconstruct

sys.path.insert(0, str(REPOSITORY / "book"))

import api

SECONDS = 10  # for a call that should fail at once
#: Beyond the rooms that have a page in the book: what chapters use of their modules, and stored results.
MODULES = (
    "generators.flow", "generators.diffusion", "operators.backprojection", "operators.base", "operators.composed",
    "provenance", "results", "training.augment",
)  # fmt: skip
#: What is no place for a wrong value: base classes without a method of their own, protocols, plain containers.
BARE = {
    "Composite", "Denoiser", "Denoising", "Fidelity", "HomeNetwork", "IntegrityError", "Iterative",
    "LatentRegulariser", "LearnedReconstructor", "LowerLevel", "MatrixSpectrum", "Reconstructor",
    "RegulariserNetwork", "SVD", "Spectrum", "Trainable",
}  # fmt: skip
#: Methods that the trainer, the solvers or the library's own objectives call, and nobody else.
INNER = {
    "K", "KT", "_adjoint", "_apply", "_forward", "back", "batches_per_step", "check", "check_flowing", "check_images",
    "check_model", "check_noisy", "checked", "climb", "critic_losses", "denoise", "depth", "details",
    "differentiated", "drawn", "dual_step", "filters", "fit", "forbid", "generator_loss", "level", "loss", "losses",
    "magnitude", "nearest", "normalised", "phi", "placed", "price", "problem", "projected", "pull", "searched",
    "select", "size", "standardise", "step", "train", "validation_score", "walk",
}  # fmt: skip


class Callee(NamedTuple):
    """A function or class under the name by which the tables know it; of a method, ``owner`` names the class."""

    name: str
    function: Callable
    owner: str = ""

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        found = list(inspect.signature(self.function).parameters.items())[bool(self.owner) :]
        return {name: p for name, p in found if p.kind is not p.VAR_KEYWORD}

    @property
    def call(self) -> Callable:
        if not self.owner:
            return self.function
        return functools.partial(
            getattr(type(INSTANCES[self.owner]()), self.name.partition(".")[2]), INSTANCES[self.owner]()
        )


def functions() -> dict[str, Callee]:
    """What the rooms export, and ``MODULES``: functions, and classes that users make."""
    found = {}
    modules = [api._module(room) for room in api.ROOMS]
    modules += [importlib.import_module(f"course_utils.{name}") for name in MODULES]
    for module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and name not in BARE and not is_record(value) and not is_algorithm(value):
                found[name] = Callee(name, value)
    return found


def is_record(value) -> bool:
    """What functions return, and the problems that regularisers make: nobody writes them down."""
    if not inspect.isclass(value):
        return False
    written = value.__name__.endswith("Config") or value.__name__ == "Recipe"
    return issubclass(value, Objective) or (dataclasses.is_dataclass(value) and not written)


def is_algorithm(value) -> bool:
    """Algorithms are called through ``reconstruct``, by a test of their own."""
    return any(a.function is value for a in ALGORITHMS) or value.__name__ in ("proximal_gradient", "eliminate")


def methods() -> dict[str, Callee]:
    """The public methods of ``INSTANCES`` with parameters, and their calls."""
    found, classes = {}, functions()
    for name in INSTANCES:
        kind = classes[name].function
        owners = [c for c in kind.__mro__ if c.__module__.startswith("course_utils")]
        for method in dict.fromkeys(m for owner in owners for m in vars(owner)):
            public = method in ("__call__", "forward") or not method.startswith("_")
            value = inspect.getattr_static(kind, method)
            if (
                public
                and method not in INNER
                and inspect.isfunction(value)
                and value.__module__.startswith("course_utils")
            ):
                found[f"{name}.{method}"] = Callee(f"{name}.{method}", value, name)
    return {name: callee for name, callee in found.items() if callee.parameters}


CALLEES = functions() | methods()


def good(callee: Callee, name: str):
    key = next((k for k in keys(callee, name) if k in OWN), None)
    assert key or name in GOOD, f"{callee.name}: bad_values.GOOD has no value for '{name}'"
    return OWN[key]() if key else GOOD[name]()


def keys(callee: Callee, name: str) -> list[tuple[str, str]]:
    """Under which the tables may know a parameter: that of the method, of the method of any class, of the class."""
    owner, _, method = callee.name.partition(".")
    return [(callee.name, name), *([(f".{method}", name), (owner, name)] if method else [])]


def kind(callee: Callee, name: str) -> str:
    for key in keys(callee, name):
        if key in OWN_KIND:
            return OWN_KIND[key]
    annotation = str(callee.parameters[name].annotation).removesuffix(" | None")
    found = NAMED.get(name) or KIND.get(annotation)
    assert found, f"{callee.name}: bad_values.KIND knows no '{annotation}', nor NAMED '{name}'"
    return found


def arguments(callee: Callee) -> dict:
    """Good values of all parameters that have to be given, or that have a value of their own in ``OWN``."""
    return {
        name: good(callee, name)
        for name, p in callee.parameters.items()
        if p.default is p.empty or any(key in OWN for key in keys(callee, name))
    }


def bad_values(callee: Callee, name: str) -> Iterator[tuple[str, object]]:
    what, p = kind(callee, name), callee.parameters[name]
    if what in ("tensor", "mask", "complex", "plane"):
        found = bad_tensors(good(callee, name), what)
    else:
        found = BAD[what]
    for label, value in found:
        optional = value is None and (p.default is None or f"{p.annotation}".endswith("None"))
        allowed = any((*key, label) in ALLOWED for key in keys(callee, name))
        if not optional and not allowed:
            yield label, value


@contextmanager
def limited(seconds: float):
    """Interrupts what takes longer, where the system has signals for that."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_):
        raise TimeoutError(f"still at work after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def complaint(name: str, call: Callable, path: bool = False) -> str | None:
    """What is wrong with how a bad call fails; None if it fails as it should."""
    allowed = (ValueError, TypeError, *([FileNotFoundError] if path else []))
    try:
        with limited(SECONDS):
            call()
    except Exception as error:
        if not isinstance(error, allowed):
            return f"raises {type(error).__name__}: {str(error)[:150]}"
        if not re.search(rf"'{name}\b", str(error)):
            return f"does not name '{name}' in {type(error).__name__}: {str(error)[:150]}"
        return "says too much" if len(str(error)) > 700 else None
    return "passes in silence"


def invoke(callee: Callee, given: dict):
    """The call; *names, which cannot be given by name, by place."""
    several = [name for name, p in callee.parameters.items() if p.kind is p.VAR_POSITIONAL]
    return callee.call(*(given[name] for name in several), **{k: v for k, v in given.items() if k not in several})


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A call that should fail and does not leaves nothing behind."""
    monkeypatch.setenv("COURSE_RESULTS", str(tmp_path))


@pytest.mark.parametrize("callee", CALLEES.values(), ids=CALLEES)
def test_a_bad_value_is_named(callee):
    wrong = []
    for name in callee.parameters:
        if any(key in OPEN for key in keys(callee, name)):
            continue
        for label, value in bad_values(callee, name):
            given = arguments(callee) | {name: value}
            given.pop(INSTEAD.get((callee.name, name)), None)
            said = complaint(name, lambda given=given: invoke(callee, given), path=kind(callee, name) == "path")
            if said:
                wrong.append(f"{callee.name}({name}={label}) {said}")
    assert not wrong, "\n" + "\n".join(wrong)


def settings() -> Iterator[tuple[str, str, str]]:
    """Problem, solver and name of every setting that a solver takes through ``reconstruct``."""
    for algorithm in ALGORITHMS:
        if algorithm.kind is InnerProblem:  # of R(x), which takes no settings
            continue
        for name, p in inspect.signature(algorithm.function).parameters.items():
            if p.default is not p.empty and name not in ("x0", "u0", "trace"):
                yield algorithm.kind.__name__, algorithm.name, name


@pytest.mark.parametrize(("problem", "solver", "name"), list(settings()))
def test_a_bad_setting_of_a_solver_is_named(problem, solver, name):
    assert problem in PROBLEMS, f"bad_values.PROBLEMS has no regulariser whose problem is a {problem}"
    method, more = PROBLEMS[problem, solver]() if (problem, solver) in PROBLEMS else PROBLEMS[problem]()
    algorithm = next(a for a in ALGORITHMS if (a.kind.__name__, a.name) == (problem, solver))
    callee = Callee(algorithm.function.__name__, algorithm.function)
    y, wrong = GOOD["y"](), []
    for label, value in bad_values(callee, name):

        def call(value=value):
            return reconstruct(built("A"), y, method, solver=solver, **more, **{name: value})

        if said := complaint(name, call):
            wrong.append(f"reconstruct(solver={solver!r}, {name}={label}) {said}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_an_unknown_setting_is_named():
    with pytest.raises(TypeError, match="'speed'"):
        reconstruct(built("A"), GOOD["y"](), GOOD["method"](), speed=3)


#: A number as NumPy, torch and Python write it.
WRITTEN = {
    "count": (np.int8, np.uint8, np.int16, np.int64, torch.tensor, np.array),
    "number": (np.float16, np.float32, np.float64, torch.tensor, np.array),
    "weight": (np.float16, np.float32, torch.tensor),
    "seed": (np.int8, np.uint64, torch.tensor),
}


@pytest.mark.parametrize("callee", CALLEES.values(), ids=CALLEES)
def test_a_number_may_be_written_in_any_way(callee):
    """NumPy's integers and floats of every width, tensors and arrays without axes: all count as the number."""
    for name in callee.parameters:
        unknown = any(key in OPEN for key in keys(callee, name)) or kind(callee, name) not in WRITTEN
        if unknown or callee.name in SLOW:
            continue
        plain = arguments(callee).get(name, good(callee, name))
        with limited(SECONDS):
            same = invoke(callee, arguments(callee) | {name: plain})
        for write in WRITTEN[kind(callee, name)]:
            with limited(SECONDS):
                found = invoke(callee, arguments(callee) | {name: write(plain)})
            if isinstance(same, (torch.Tensor, float)):
                assert torch.equal(torch.as_tensor(found), torch.as_tensor(same)), f"{callee.name}({name})"


def test_enough_bad_calls():
    """Counted without making them, so that it holds for a part of the tests too."""
    given = [
        (callee.name, name, label)
        for callee in CALLEES.values()
        for name in callee.parameters
        if not any(key in OPEN for key in keys(callee, name))
        for label, _ in bad_values(callee, name)
    ]
    of_solvers = list(settings())
    MEASURED.append(f"bad calls: {len(given)} of {len(CALLEES)} functions and methods, and {len(of_solvers)} settings")
    assert len(given) >= 300 and len(of_solvers) >= 60
    assert {"A", "G", "generator", "start", "lam", "folder", "device"} <= {name for _, name, _ in given}


def test_a_function_without_checks_is_caught():
    """A newcomer that checks nothing, hangs, or has a parameter that nobody knows."""

    def careless(x: torch.Tensor, n: int):
        return n

    def endless(n: int):
        while True:
            pass

    newcomer = Callee("careless", careless)
    assert complaint("n", lambda: careless(None, "3")) == "passes in silence"
    assert "AttributeError" in complaint("x", lambda: None.shape)
    assert "does not name" in complaint("n", lambda: int("x"))
    assert kind(newcomer, "n") == "count" and kind(newcomer, "x") == "tensor"
    with limited(0.2), pytest.raises(TimeoutError):
        endless(3)
    with pytest.raises(AssertionError, match="'brand_new'"):
        kind(Callee("new", lambda brand_new: 0), "brand_new")


def test_operators_are_of_the_room():
    """Every operator has its ``A(x)`` and ``A.T(y)`` among the methods."""
    exported = {
        n for n, c in functions().items() if inspect.isclass(c.function) and issubclass(c.function, LinearOperator)
    }
    assert exported - {"LinearOperator", "Scaled", "Stacked", "Composed"} <= set(INSTANCES)
