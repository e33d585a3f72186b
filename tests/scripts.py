"""The data scripts, imported as modules."""

import importlib.util

from course_utils import _files


def script(name, monkeypatch):
    """The module ``data_scripts/name.py``, which finds its neighbours as if it were run."""
    folder = _files.REPOSITORY / "data_scripts"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
