"""The explorer: a figure with controls.  One class for all chapters; each chapter adds a drawing function."""

from __future__ import annotations

import html
import itertools
import math
import os
import time
from collections.abc import Callable, Mapping

import ipywidgets
from IPython.display import Image
from matplotlib.figure import Figure

from ..figures.pixels import figure_png
from .controls import can_have, same, stops
from .widgets import tooltip_of, view

__all__ = ["MAX_FRAMES", "SWIFT", "Explorer"]

MAX_FRAMES = 60  # pictures of one explorer on a page without a kernel: more would make the page slow to load
PACE = 400  # milliseconds from one step of a playing control to the next
SWIFT = 0.3  # seconds that a redraw may take to be done while a control is being dragged
SHARP = 2  # pixels of a picture in a notebook for one of the page's
STRETCH = 1.4  # how many times as wide as on the page a notebook may show it

WIDTH = {"description_width": "6.5em"}
HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"


def _width(png: bytes) -> int:
    """In points of the screen, of a sharp picture."""
    return int.from_bytes(png[16:20], "big") // SHARP  # a PNG states its width in bytes 16 to 19


class Explorer:
    """A figure that is redrawn when a control moves, also while it is dragged.

    The notebook has one message of a control under way at a time; what the control says meanwhile is kept, the newest
    value alone, and sent when the picture is there.  So no queue builds up, and the last value is always drawn.  When
    the last two redraws both took longer than ``SWIFT``, the control waits until it is released, since the reader
    would wait for two slow pictures there, that of a value passed on the way and the last one; a swift redraw ends
    this.

    Parameters
    ----------
    name : str
        Short, of letters and hyphens: it becomes the CSS class ``explorer-<name>``.
    controls : dict of str -> ipywidgets widget with a ``value``
        The keys are the arguments of ``draw``.  Each needs a description and a tooltip, which those of
        ``course_utils.explore.widgets`` take in every version of ipywidgets.
    draw : callable
        ``draw(**values)`` -> matplotlib Figure.  It depends on its arguments only; it may return the same
        Figure with changed artists every time, which is fast, but may not depend on earlier calls.
    alt : str
        What the figure shows, for those who cannot see it.
    grid : dict of str -> list, optional
        Which values the tests sweep.  Default: every option of a choice; least, default and greatest value of
        a slider.
    dpi : float
        Resolution of the live picture.
    frames : dict of str -> list, optional
        For a page without a kernel: the values of each control, the default among them, over whose combinations
        the pictures are computed beforehand; at most 60.  A control that is not named keeps its default value.
    live : callable, optional
        For the same page: ``live()`` -> HTML of a version that computes in the browser.  It goes before ``frames``.
    play : str, optional
        A control over a list of values, such as the number of iterations, that can be played, step by step.

    Raises
    ------
    ValueError
        A control without description or tooltip; a grid or frames for an unknown control; more than 60 frames,
        or frames at values that the control cannot have; ``play`` names no ``SelectionSlider``.

    Example
    -------
    >>> def draw(size):
    ...     return Figure(figsize=(size, 1))
    >>> from course_utils.explore import widgets
    >>> control = widgets.IntSlider(2, 1, 4, description="size", tooltip="width in inches")
    >>> explorer = Explorer("demo", {"size": control}, draw, alt="An empty picture.")
    >>> explorer.grid
    [{'size': 1}, {'size': 2}, {'size': 4}]
    >>> control.value = 4  # what moving the slider does
    >>> explorer.values
    {'size': 4}
    """

    def __init__(
        self,
        name: str,
        controls: Mapping[str, ipywidgets.DOMWidget],
        draw: Callable[..., Figure],
        alt: str,
        grid: Mapping[str, list] | None = None,
        dpi: float = 90,
        frames: Mapping[str, list] | None = None,
        live: Callable[[], str] | None = None,
        play: str | None = None,
    ) -> None:
        for key, control in controls.items():
            if not getattr(control, "description", "") or not tooltip_of(control):
                raise ValueError(f"'controls[{key!r}]' must have a description and a tooltip")
            if hasattr(control, "continuous_update"):
                control.continuous_update = True
            if "description_width" in getattr(control.style, "keys", ()):
                control.style.description_width = WIDTH["description_width"]
        for argument, values in (("grid", grid), ("frames", frames)):
            unknown = set(values or {}) - set(controls)
            if unknown:
                raise ValueError(f"'{argument}' names controls that do not exist: {', '.join(sorted(unknown))}")
        if play is not None and not isinstance(controls.get(play), ipywidgets.SelectionSlider):
            raise ValueError(f"'play' must name a control that is a SelectionSlider, got {play!r}")
        self.play = play
        self.name, self.controls, self.draw, self.alt, self.dpi = name, dict(controls), draw, alt, dpi
        self.default = self.values
        self.seconds = 0.0  # of the last redraw
        self._still = False  # while several controls move at once
        self._grid = {key: list((grid or {}).get(key) or stops(control)) for key, control in controls.items()}
        self._widget: ipywidgets.VBox | None = None
        self.live = live
        self.frames = None if frames is None else {key: list(values) for key, values in frames.items()}
        self._check_frames()

    def begin_at(self, **values) -> Explorer:
        """The explorer itself, after moving where its controls stand at first, and where "Reset" leads.

        Raises
        ------
        ValueError
            No such control, or a value that it cannot have; frames without a picture for these values.

        Example
        -------
        >>> from course_utils.explore import EXPLORERS
        >>> EXPLORERS["truncated-svd"]().begin_at(kept=150).default["kept"]
        150
        """
        for key, value in values.items():
            if key not in self.controls:
                raise ValueError(f"'{key}' is no control of {self!r}")
            if not can_have(self.controls[key], value, self.default[key]):
                raise ValueError(f"'{key}' cannot be {value!r}")
        for key, value in values.items():
            self.controls[key].value = value
        self.default = self.values
        self._check_frames()
        return self

    def _check_frames(self) -> None:
        frames = self.frames or {}
        for key, values in frames.items():
            impossible = [value for value in values if not can_have(self.controls[key], value, self.default[key])]
            if impossible:
                raise ValueError(f"'frames[{key!r}]' has values that the control cannot have: {impossible}")
            if not any(same(value, self.default[key]) for value in values):
                raise ValueError(f"'frames[{key!r}]' must contain the default {self.default[key]!r}, got {values}")
        number = math.prod(len(values) for values in frames.values())
        if number > MAX_FRAMES:
            raise ValueError(f"'frames' must give at most {MAX_FRAMES} pictures, got {number}")

    @property
    def values(self) -> dict:
        """What the controls say now."""
        return {key: control.value for key, control in self.controls.items()}

    @property
    def grid(self) -> list[dict]:
        """Every combination of control values that the tests draw."""
        return [dict(zip(self._grid, stops, strict=True)) for stops in itertools.product(*self._grid.values())]

    def png(self, **values) -> bytes:
        """The picture for some control values (the others as they stand now), as PNG bytes."""
        return figure_png(self.draw(**{**self.values, **values}), self.dpi)

    def static(self) -> Image:
        """The picture for the default values, with its alternative text.

        Write it on the last line of a cell: pages without a kernel, and GitHub, show this one.
        """
        sharp = self._sharp(self.default)
        # as metadata: the IPython of Colab knows no argument ``alt``
        return Image(data=sharp, format="png", width=_width(sharp), metadata={"alt": self.alt})

    def _sharp(self, values: Mapping) -> bytes:
        return figure_png(self.draw(**values), SHARP * self.dpi)

    @property
    def widget(self) -> ipywidgets.VBox:
        """Controls above the figure, made once."""
        if self._widget is None:
            self._figure = ipywidgets.Image(format="png")
            self._figure.add_class("explorer-figure")
            self._problem = ipywidgets.HTML(layout={"display": "none"})
            self._problem.add_class("explorer-problem")
            for control in self.controls.values():
                control.observe(self._redraw, names="value")
            box = ipywidgets.HBox(list(self.controls.values()), layout={"flex_flow": "row wrap"})
            # An image widget takes no alternative text (and with a tooltip JupyterLab does not show it at all),
            # so the text stands beside it, for screen readers only.
            words = ipywidgets.HTML(f'<span style="{HIDDEN}">{html.escape(self.alt)}</span>', layout={"height": "0"})
            words.add_class("explorer-alt")
            self._widget = ipywidgets.VBox([box, self._problem, self._figure, self._tools(), words])
            self._widget.add_class("course-explorer")
            self._widget.add_class(f"explorer-{self.name}")
            self._redraw()
            for image in (self._figure, self._kept.children[1]):
                image.layout = {"width": "100%", "max_width": f"{STRETCH * _width(self._figure.value):.0f}px"}
        return self._widget

    def _tools(self) -> ipywidgets.VBox:
        """Reset, keep, and a player, as below the figure of a page; then what was kept."""
        self._kept = ipywidgets.VBox(
            [ipywidgets.HTML(), ipywidgets.Image(format="png")],
            layout={"display": "none"},
        )
        reset, keep = (ipywidgets.Button(description=name, layout={"width": "6em"}) for name in ("Reset", "Keep"))
        reset.tooltip, keep.tooltip = "all controls as they stood at first", "keep this picture, to compare it"
        reset.on_click(lambda _: self.reset())
        keep.on_click(lambda _: self.keep())
        buttons = [reset, keep]
        if self.play is not None:
            played = self.controls[self.play]
            player = ipywidgets.Play(max=len(played.options) - 1, value=played.index, interval=PACE)
            ipywidgets.jslink((player, "value"), (played, "index"))  # the notebook itself counts
            buttons.append(player)
        tools = ipywidgets.VBox([ipywidgets.HBox(buttons), self._kept])
        tools.add_class("explorer-tools")
        return tools

    def reset(self) -> None:
        """All controls as they stood at first; one redraw."""
        self._still = True
        try:
            for key, control in self.controls.items():
                control.value = self.default[key]
        finally:
            self._still = False
        if self._widget is not None:
            self._redraw()

    def keep(self) -> None:
        """Below the figure, a copy of it as it is now, with what the controls say, to be compared with later ones."""
        from .page import value_label

        picture = self.picture
        said = "; ".join(f"{c.description}: {value_label(c, c.value)}" for c in self.controls.values())
        words, image = self._kept.children
        words.value, image.value = f"Kept: {html.escape(said)}", picture
        self._kept.layout.display = None

    @property
    def picture(self) -> bytes:
        """What the widget shows now, as PNG bytes."""
        self.widget  # noqa: B018  (makes it)
        return self._figure.value

    def _redraw(self, change=None) -> None:
        if self._still:
            return
        before, start = self.seconds, time.perf_counter()
        try:
            self._figure.value = self._sharp(self.values)
        except Exception as error:  # a callback's traceback is easily lost: say it beside the figure, then raise
            self._problem.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"
            self._problem.layout.display = "block"
            raise
        self._problem.layout.display = "none"
        self.seconds = time.perf_counter() - start
        if change is not None and hasattr(change.owner, "continuous_update"):
            change.owner.continuous_update = min(self.seconds, before) <= SWIFT

    def page(self) -> str:
        """HTML for a page without a kernel: computed in the browser, or pictures computed beforehand.

        Raises
        ------
        ValueError
            The explorer has neither ``live`` nor ``frames``.
        """
        from .page import frames_page

        if self.live is not None:
            return self.live()
        if self.frames is None:
            raise ValueError(f"explorer {self.name!r} has neither 'live' nor 'frames': it cannot stand on a page")
        return frames_page(self)

    def _repr_mimebundle_(self, **kwargs):
        # The book is built with COURSE_PAGE=1: its readers have no kernel behind the page.
        if os.environ.get("COURSE_PAGE", "0") not in ("", "0"):
            return {"text/html": self.page(), "text/plain": repr(self)}
        return view(self.widget, repr(self))

    def __repr__(self) -> str:
        return f"Explorer({self.name!r}, controls: {', '.join(self.controls)})"
