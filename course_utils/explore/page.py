"""Explorers on a page without a kernel: one block of HTML that asks for nothing outside itself.

Two kinds.  *Frames*: the pictures are computed beforehand over a grid of control values.  *Live*: a small program in
the page computes them.  In both the default picture with its alternative text is an ordinary image, so that it is
there without JavaScript, and when something goes wrong.
"""

from __future__ import annotations

import base64
import collections
import functools
import hashlib
import html
import io
import itertools
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets
import matplotlib as mpl
import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from ..figures.pixels import figure_pixels
from ..figures.style import COLOURS, METHODS, RESIDUAL_CMAP
from ..live import bundle
from ..notebooks import FAST
from .controls import same, stops
from .widgets import tooltip_of

if TYPE_CHECKING:
    from .base import Explorer

__all__ = [
    "WEB", "control_values", "encode_frames", "frames_page", "live_page", "palette_module", "picture", "share_blocks",
    "value_label",
]  # fmt: skip

#: Where the scripts lie that explorers share.
WEB = Path(__file__).parent / "web"
_serial = itertools.count(1)  # two explorers on one page, even of one name, need different ids

HTML = """<div class="course-page explorer-{name}" id="{id}" data-state="new">
<style>
{css}</style>
<div class="cp-controls" role="group" aria-label="controls of the figure"></div>
<div class="cp-card"><div class="cp-picture"><img class="cp-static dark-light" alt="{alt}" \
width="{width}" height="{height}" src="data:image/webp;base64,{picture}"></div></div>
<p class="cp-values" aria-live="polite"></p>
<p class="cp-note" hidden>{note}</p>
<noscript><p>Without JavaScript the figure stays as it is: its controls need it.</p></noscript>
<script type="application/json" class="cp-data">{data}</script>
{blocks}<script>
(() => {{
"use strict";
const page = {guard}.openPage(document.getElementById("{id}"));
page.guarded(() => {{
const {{ run }} = {code};
run(page);
}})();
}})();
</script>
</div>
"""


def picture(explorer: Explorer, **values) -> np.ndarray:
    """The picture at some control values, the others at their defaults: (H, W, 3) array of bytes."""
    # a copy: the canvas is drawn over by the next picture
    return figure_pixels(explorer.draw(**{**explorer.default, **values}), explorer.dpi).copy()


def _webp(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "webp", lossless=True, method=4)
    return buffer.getvalue()


@functools.cache
def _palette() -> np.ndarray:
    """For every colour with 6 bits a channel the nearest of about 150: (64, 64, 64, 3) array of bytes.

    Our figures are made of greys, the colours of residuals, and the colours of lines with their smoothed edges on
    white.  A palette made from the pictures themselves would lose the colours of thin lines.
    """
    greys = np.linspace(0, 1, 48)[:, None].repeat(3, 1)
    residuals = mpl.colormaps[RESIDUAL_CMAP](np.linspace(0, 1, 48))[:, :3]
    lines = np.array([mpl.colors.to_rgb(colour) for colour in COLOURS.values()])
    blends = np.concatenate([1 - share * (1 - lines) for share in np.linspace(0.125, 1, 8)])
    colours = np.concatenate([greys, residuals, blends])
    cube = (np.stack(np.meshgrid(*3 * [np.arange(64)], indexing="ij"), -1) * 4 + 2) / 256
    return (255 * colours[cKDTree(colours).query(cube)[1]]).round().astype(np.uint8)


def _few_colours(pixels: np.ndarray) -> np.ndarray:
    """A picture in the common palette, without dithering, so that what is equal stays equal: (H, W, 3)."""
    red, green, blue = np.moveaxis(pixels >> 2, 2, 0)
    return _palette()[red, green, blue]


def encode_frames(pictures: Sequence[np.ndarray], default: int) -> tuple[bytes, list[bytes], list[int]]:
    """Pictures of one size as differences from one of them.

    Parameters
    ----------
    pictures : sequence of (H, W, 3) arrays of bytes
    default : int
        Which of them is the ground for the others.

    Returns
    -------
    ground : bytes
        The default picture, as WebP.
    layers : list of bytes
        WebP with transparent pixels where nothing differs; equal ones are kept once.
    frames : list of int
        The layer of each picture; -1 for the default picture itself and its equals.

    Example
    -------
    >>> white, grey = np.full((4, 4, 3), 255, np.uint8), np.full((4, 4, 3), 128, np.uint8)
    >>> ground, layers, frames = encode_frames([white, grey, white, grey], default=0)
    >>> len(layers), frames
    (1, [-1, 0, -1, 0])
    """
    few = np.stack([_few_colours(pixels) for pixels in pictures])
    layers: dict[bytes, int] = {}
    frames = []
    for pixels in few:
        differs = (pixels != few[default]).any(2)
        if not differs.any():
            frames.append(-1)
            continue
        layer = np.dstack([pixels, np.full(differs.shape, 255, np.uint8)])
        layer[~differs] = 0
        frames.append(layers.setdefault(layer.tobytes(), len(layers)))
    shape = (*few.shape[1:3], 4)
    return _webp(few[default]), [_webp(np.frombuffer(layer, np.uint8).reshape(shape)) for layer in layers], frames


def value_label(control: ipywidgets.DOMWidget, value) -> str:
    """How a value stands beside its control.

    Example
    -------
    >>> value_label(ipywidgets.FloatLogSlider(1, readout_format=".2g"), 10**-2.5)
    '0.0032'
    >>> value_label(ipywidgets.Dropdown(options=[("none", 0), ("one", 1)]), 1)
    'one'
    """
    if getattr(control, "options", None):
        return next(label for label, option in control._options_full if same(option, value))
    if isinstance(control, ipywidgets.Checkbox):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return format(value, getattr(control, "readout_format", "")).replace("-", "−")
    return str(value)


def control_values(control: ipywidgets.DOMWidget) -> list:
    """Every value that a control can have; for a button none: it counts.

    Example
    -------
    >>> control_values(ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.25))
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if isinstance(control, ipywidgets.Button):
        return []
    if not hasattr(control, "step"):
        return stops(control)
    number = round((control.max - control.min) / control.step) + 1
    places = [control.min + k * control.step for k in range(number)]
    if isinstance(control, ipywidgets.FloatLogSlider):
        return [control.base**place for place in places]
    return places if isinstance(control, ipywidgets.IntSlider) else [round(place, 10) for place in places]


def _specification(key: str, control: ipywidgets.DOMWidget, values: list) -> dict:
    """What the page must know of one control."""
    kind = "range"
    if isinstance(control, ipywidgets.Button):
        kind = "button"
    elif isinstance(control, ipywidgets.ToggleButtons):
        kind = "radio"
    elif isinstance(control, ipywidgets.SelectionSlider):
        kind = "range"
    elif getattr(control, "options", None) or isinstance(control, ipywidgets.Checkbox):
        kind = "select"
    start = next((k for k, value in enumerate(values) if same(value, control.value)), 0 if not values else None)
    if start is None:
        raise ValueError(f"control {key!r} begins at {control.value!r}, which is none of its values")
    return {
        "key": key,
        "kind": kind,
        "label": control.description,
        "title": tooltip_of(control),
        "labels": [value_label(control, value) for value in values],
        "values": values,
        "start": start,
    }


def _compose(
    explorer: Explorer, still: bytes, specifications: list, data: dict, blocks: Mapping, script: Path, note: str
) -> str:
    """The block of HTML.  ``blocks``: name -> bytes, stored with a checksum; ``script``: the module with run(page)."""
    written = "".join(
        f'<script type="text/plain" class="cp-block" data-name="{name}" data-crc="{zlib.crc32(content)}">'
        f"{base64.b64encode(content).decode()}</script>\n"
        for name, content in blocks.items()
    )
    width, height = Image.open(io.BytesIO(still)).size
    told = {"name": explorer.name, "play": explorer.play, "controls": specifications}
    values = json.dumps(told | data, ensure_ascii=False, separators=(",", ":"))
    return HTML.format(
        name=explorer.name,
        id=f"course-{explorer.name}-{next(_serial)}",
        css=(WEB / "page.css").read_text("utf-8"),
        alt=html.escape(explorer.alt, quote=True),
        width=width,
        height=height,
        picture=base64.b64encode(still).decode(),
        note=html.escape(note),
        data=values.replace("</", "<\\/"),  # else a "</script>" in a text would end the script
        blocks=written,
        # apart from the rest, so that it can tell when the rest breaks
        guard=bundle(WEB / "guard.js"),
        code=bundle(script, {WEB / "palette.js": palette_module()}),
    )


#: A stored block: its opening tag up to the bracket, its content, its end.
BLOCK = re.compile(r'(<script type="text/plain" class="cp-block" [^>]*)>([^<]+)(</script>)')


def share_blocks(texts: Sequence[str]) -> list[str]:
    """Pieces of one page, each stored block written once: the first explorer keeps it, the others look it up there.

    An explorer alone carries all that it needs.  Whoever sees a whole page, as the book and the slides do, need not
    store the weights of a generator once for each of its explorers.

    Parameters
    ----------
    texts : sequence of str
        HTML in the order of the page; pieces without explorers stay as they are.

    Example
    -------
    >>> block = '<script type="text/plain" class="cp-block" data-name="w" data-crc="1">AAAA</script>'
    >>> first, second = share_blocks([block, block])
    >>> "AAAA" in first, "AAAA" in second
    (True, False)
    """
    counts = collections.Counter(content for text in texts for _, content, _ in BLOCK.findall(text))
    seen: set[str] = set()

    def once(match) -> str:
        opening, content, end = match.groups()
        if counts[content] == 1:
            return match[0]
        place = f"cp-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        if content in seen:
            return f'{opening} data-in="{place}">{end}'
        seen.add(content)
        return f'{opening} id="{place}">{content}{end}'

    return [BLOCK.sub(once, text) for text in texts]


def frames_page(explorer: Explorer) -> str:
    """HTML with the pictures of every combination of ``explorer.frames``, computed now; of few with COURSE_FAST=1."""
    stored = explorer.frames or {}
    frames = {key: stored[key] for key in explorer.controls if key in stored}
    if FAST:
        frames = {key: v if key == explorer.play else _ends(v, explorer.default[key]) for key, v in frames.items()}
    combinations = [dict(zip(frames, values, strict=True)) for values in itertools.product(*frames.values())]
    default = next(
        k for k, values in enumerate(combinations) if all(same(v, explorer.default[key]) for key, v in values.items())
    )
    ground, layers, order = encode_frames([picture(explorer, **values) for values in combinations], default)
    # a control with one value has nothing to choose; being fixed, it plays no part in the numbering of the frames
    specifications = [
        _specification(key, explorer.controls[key], values) for key, values in frames.items() if len(values) > 1
    ]
    offsets = [0, *itertools.accumulate(len(layer) for layer in layers)]
    note = f"{len(combinations)} pictures, computed beforehand{_restrictions(explorer, frames)}"
    return _compose(
        explorer,
        ground,
        specifications,
        {"frames": order, "offsets": offsets},
        {"pictures": b"".join(layers)},
        WEB / "frames.js",
        note,
    )


def _ends(values: list, default) -> list:
    """The first and the last of some values, and the default."""
    return [value for k, value in enumerate(values) if k in (0, len(values) - 1) or same(value, default)]


def _restrictions(explorer: Explorer, frames: Mapping[str, list]) -> str:
    """Which controls and values of the notebook the page lacks, as the end of a sentence."""
    lacking = []
    for key, control in explorer.controls.items():
        has, of = len(frames.get(key, [None])), len(control_values(control))
        if has == 1 < of:
            lacking.append(f"{control.description} stays {value_label(control, explorer.default[key])}")
        elif has < of:
            lacking.append(f"{control.description} has {has} of {of} values")
    return f". Here {', '.join(lacking)}; a running notebook has all." if lacking else ": all that the notebook has."


def palette_module() -> str:
    """Colours and dashes of ``plots`` as a JavaScript module: PALETTE, METHODS, and RESIDUAL (256 x 3 bytes).

    Example
    -------
    >>> "export const PALETTE" in palette_module()
    True
    """
    dashes = {"-": "none", "--": "7 4", "-.": "7 3 2 3", ":": "2 3"}
    methods = {
        name: {"color": style["color"], "dash": dashes.get(style["linestyle"], "10 2")}
        for name, style in METHODS.items()
    }
    residual = (255 * mpl.colormaps[RESIDUAL_CMAP](np.linspace(0, 1, 256))[:, :3]).round().astype(int).ravel().tolist()
    constants = {"PALETTE": COLOURS, "METHODS": methods, "RESIDUAL": residual}
    return "".join(
        f"export const {name} = {json.dumps(value, separators=(',', ':'))};\n" for name, value in constants.items()
    )


def live_page(
    explorer: Explorer,
    script: Path,
    data: Mapping | None = None,
    blocks: Mapping[str, bytes] | None = None,
    note: str = "Computed in this page, while you move the controls.",
) -> str:
    """HTML of a figure that computes in the browser.

    Parameters
    ----------
    explorer : Explorer
        Its controls, with all their values, and its default picture.
    script : Path
        The module that exports ``run(page)``, where ``page`` has the element ``root``, the ``data`` and ``guarded``. It
        may import ``palette.js`` from the folder ``WEB`` like any file there.
    data : dict, optional
        Numbers and words for the script, as JSON.
    blocks : dict of str -> bytes, optional
        Weights and the like, stored with a checksum.
    note : str
    """
    specifications = [
        _specification(key, control, control_values(control)) for key, control in explorer.controls.items()
    ]
    still = _webp(_few_colours(picture(explorer)))
    return _compose(
        explorer,
        still,
        specifications,
        dict(data or {}),
        dict(blocks or {}),
        script,
        note,
    )
