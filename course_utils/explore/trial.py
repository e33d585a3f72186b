"""Do explorers work with the ipywidgets and the IPython that are installed?  The self-test of chapter 00 asks."""

from __future__ import annotations

from importlib import metadata

from matplotlib.figure import Figure

from . import widgets
from .base import Explorer

__all__ = ["trial"]

#: Releases of ipywidgets in which a notebook of VS Code shows no widget.  pyproject.toml excludes them too.
BLANK_IN_VSCODE = ("8.1.9",)


def trial() -> tuple[bool, str]:
    """Make a small explorer, look for its view, and move its control.

    Returns
    -------
    works : bool
    words : str
        The versions found, and what is wrong with them if something is.

    Example
    -------
    >>> trial()[0]
    True
    """
    found = " and ".join(f"{name} {metadata.version(name)}" for name in ("ipywidgets", "ipython"))
    try:
        control = widgets.IntSlider(1, 1, 2, description="width", tooltip="width of the picture, in inches")
        explorer = Explorer("trial", {"width": control}, lambda width: Figure(figsize=(width, 1)), "An empty picture.")
        shown = widgets.view(explorer.widget, repr(explorer))[widgets.VIEW]
        before = explorer.picture
        control.value = 2
        if not shown["model_id"] or explorer.picture == before:
            raise RuntimeError("a slider was moved, and the picture stayed as it was")
    except Exception as error:  # whatever an unknown version does: the self-test goes on and says it
        return False, f"{found} do not work: {type(error).__name__}: {error}; pip install 'ipywidgets>=8.1,!=8.1.9'"
    if metadata.version("ipywidgets") in BLANK_IN_VSCODE:
        return True, f"{found} work, but not in VS Code; pip install 'ipywidgets>=8.1,!=8.1.9' if you use it"
    return True, f"{found} work"
