"""What a machine may lack (a browser, npm, an optional package): a test that needs it says so by name.

It is skipped for a user; where CI is set (CI=true, as GitHub does and ``.ci/run`` too), it fails.
"""

import importlib
import os

import pytest

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def lacking(what: str) -> None:
    """End this test: ``what`` is not here."""
    if IN_CI:
        pytest.fail(f"{what}; with CI set no test may be left out for that", pytrace=False)
    pytest.skip(what)


def needed(module: str, reason: str = ""):
    """A module of an optional package, or the end of this test."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        lacking(reason or f"{module} is not installed: {error}")
