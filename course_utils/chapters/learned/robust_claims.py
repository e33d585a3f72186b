"""What was said about the stability of networks, what our records say of it, and which control belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from IPython.display import Markdown

from ...figures.tables import markdown_table
from .hallucinations_figures import digit_rows
from .robust_figures import by_method, control

__all__ = ["Claim", "claims_table", "robust_claims", "sizes_above"]

AGREES, DIFFERS, DEPENDS = "agrees", "does not", "depends"
NETWORKS = ("post-processing", "proximal", "primal-dual", "equilibrium")
LECTURES, ANTUN, GENZEL = "lectures, I.2", "Antun et al. 2020", "Genzel et al. 2023"


@dataclass(frozen=True)
class Claim:
    """A statement, who made it, what our numbers say of it, the numbers, and the control."""

    text: str
    source: str
    verdict: str
    numbers: str
    control: str


def _found_by_more(record: Mapping, one: str) -> dict[str, float]:
    """By which factor a longer search finds more, at the sizes where that was tried."""
    short, longer = by_method(record)[one], control(record).get(one)
    if longer is None:
        return {}
    return {size: max(1.0, c["effect"][0] / short["at"][size]["effect"][0]) for size, c in longer["at"].items()}


def sizes_above(record: Mapping, others: Sequence[str], one: str) -> tuple[list[str], list[str]]:
    """Sizes at which all ``others`` move more than ``one`` in every image that both saw, and where all move less.

    Where a longer search was run for ``one``, its values count as enlarged by the factor that this has gained.
    """
    rows, more = by_method(record), _found_by_more(record, one)
    above, below = [], []
    for size, cell in rows[one]["at"].items():
        gaps = []
        for name in others:
            pair = zip(rows[name]["at"][size]["effect"], cell["effect"], strict=False)  # some saw fewer images
            gaps += [a - more.get(size, 1.0) * b for a, b in pair]
        if min(gaps) > 0:
            above.append(size)
        if max(gaps) < 0:
            below.append(size)
    return above, below


def _verdict(above: Sequence[str], below: Sequence[str], n: int) -> str:
    if len(above) == n:
        return AGREES
    return DIFFERS if len(below) == n else DEPENDS


def _span(values: Sequence[float]) -> str:
    low, high = (f"{v:.1f}" for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _gains(record: Mapping, names: Sequence[str], size: str) -> str:
    rows = by_method(record)
    return _span([float(np.mean(rows[name]["at"][size]["effect"])) for name in names])


def _less_stable(record: Mapping, one: str, why: str) -> Claim:
    """Networks against one method from before deep learning, at each size of the error."""
    rows = by_method(record)
    above, below = sizes_above(record, NETWORKS, one)
    ends = list(rows[one]["at"])
    numbers = "; ".join(
        f"error {size}: networks {_gains(record, NETWORKS, size)}, {rows[one]['label']} {_gains(record, [one], size)}"
        for size in (ends[0], *ends[-3:])
    )
    more = [f"{100 * (v - 1):.0f} % at {size}" for size, v in _found_by_more(record, one).items()]
    found = f": finds more by {', '.join(more)}" if more else ""
    where = f" (all networks above at {', '.join(above) or 'no size'}, all below at {', '.join(below) or 'no size'})"
    return Claim(
        f"end-to-end networks are less stable than {rows[one]['label']}", LECTURES,
        _verdict(above, below, len(ends)), numbers + where, why + found,
    )  # fmt: skip


def _worse_image(record: Mapping, one: str) -> Claim:
    """Whether what a network shows after the worst error is worse than what another method shows after its own."""
    rows, words, gaps = by_method(record), [], []
    for size in rows[one]["at"]:
        after = {name: rows[name]["at"][size]["psnr_after"] for name in (*NETWORKS, one)}
        lead = [float(np.mean(np.subtract(after[n], after[one][: len(after[n])]))) for n in NETWORKS]
        gaps.append(lead)
        words.append(f"error {size}: {_span(lead)} dB")
    all_worse, all_better = (all(sign * g > 0 for lead in gaps for g in lead) for sign in (-1, 1))
    verdict = AGREES if all_worse else DIFFERS if all_better else DEPENDS
    return Claim(
        f"after the worst error the network's image is worse than that of {rows[one]['label']} after its own", ANTUN,
        verdict, "PSNR minus that of the other: " + "; ".join(words), "the same images, each method's own worst error",
    )  # fmt: skip


def _by_chance(record: Mapping) -> Claim:
    rows = by_method(record)
    ratios = {
        name: [float(np.mean(c["effect"]) / np.mean(c["random_max"])) for c in rows[name]["at"].values()]
        for name in rows
    }
    least = min(min(ratios[n]) for n in NETWORKS)
    verdict = AGREES if least > 2 else DEPENDS
    others = [r for name in rows if name not in NETWORKS for r in ratios[name]]
    return Claim(
        "the worst errors are special: random ones of that size do much less", GENZEL, verdict,
        f"worst over largest random: networks {_span([r for n in NETWORKS for r in ratios[n]])}, others "
        f"{_span(others)}",
        f"{record['settings']['draws']} random errors of each size and image",
    )  # fmt: skip


def _comparable(record: Mapping, place: str, what: str, tv: str) -> Claim:
    """Whether the worst error of every network is at most that of TV, on digits."""
    rows = digit_rows(record, place)
    networks = [n for n in rows if n not in ("tv", "tv again", "tv-bounded", "hard")]
    words, leads = [], []
    for level, cell in rows[tv]["at"].items():
        lead = [float(np.mean(rows[n]["at"][level]["worst"]) - np.mean(cell["worst"])) for n in networks]
        leads += lead
        words.append(f"level {level}: {min(lead):+.2f} to {max(lead):+.2f}")
    verdict = AGREES if max(leads) <= 0 else DIFFERS if min(leads) > 0 else DEPENDS
    return Claim(
        f"networks withstand adversarial errors at least as well as TV, {what}", GENZEL, verdict,
        "worst relative error, network minus TV: " + "; ".join(words),
        "λ of TV tuned for the noise of each level" if tv.endswith("again") else "λ of TV tuned once, as the networks",
    )  # fmt: skip


def _rises(record: Mapping, tv: str) -> Claim:
    """The same question asked of the rise by the error instead of the error itself."""
    rows = digit_rows(record)
    networks = [n for n in rows if n not in ("tv", "tv again", "tv-bounded", "hard")]
    words, gaps = [], []
    for level in rows[tv]["at"]:

        def rise(name: str, level: str = level) -> float:
            return float(np.mean(np.subtract(rows[name]["at"][level]["worst"], rows[name]["without"])))

        values = [rise(n) for n in networks]
        gaps += [v - rise(tv) for v in values]
        words.append(f"level {level}: networks {min(values):.2f} to {max(values):.2f}, TV {rise(tv):.2f}")
    verdict = AGREES if min(gaps) > 0 else DIFFERS if max(gaps) < 0 else DEPENDS
    return Claim(
        "end-to-end networks are less stable than TV, on digits, by the rise of the relative error", LECTURES, verdict,
        "; ".join(words), "the same data, without any error",
    )  # fmt: skip


def robust_claims(robust: Mapping, digits: Mapping) -> list[Claim]:
    """The claims about stability, from the records ``robust`` and ``robust-digits``."""
    longer = "more starts and steps for TV, one image"
    return [
        _less_stable(robust, "fbp", "FBP is linear: power iteration finds its worst error"),
        _less_stable(robust, "tikhonov", "Tikhonov is linear: power iteration finds its worst error"),
        _less_stable(robust, "tv", longer),
        _less_stable(robust, "tv-bounded", "images of the training lie in [0, 1]; " + longer),
        _worse_image(robust, "tv-bounded"),
        _by_chance(robust),
        _comparable(digits, "home", "digits from 150 measurements", "tv again"),
        _comparable(digits, "300 measurements", "digits from 300 measurements", "tv"),
        _rises(digits, "tv"),
    ]


def claims_table(claims: Sequence[Claim]) -> Markdown:
    """A row for each claim."""
    return markdown_table(
        ["claim", "made by", "ours", "numbers", "control"],
        [[c.text, c.source, f"**{c.verdict}**", c.numbers, c.control] for c in claims],
    )
