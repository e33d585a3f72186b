"""What the chapter's tables say: PSNR against TV at every place, what tuning again gives, who leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure

from ...figures.style import COLOURS, RESIDUAL_CMAP, subplots
from ...figures.tables import markdown_table
from .digits import DIGIT_PLACES
from .rivals import NETWORKS
from .scans import HOME, PLACES

__all__ = [
    "ahead", "at_home", "by_rival", "costs_table", "digits_figure", "leaders", "learned_figure", "learned_story",
    "places_in", "retuned_figure", "spread",
]  # fmt: skip

NEEDS = {"none": "nothing", "images": "images", "pairs": "pairs"}


def joined(record: Mapping, critics: Mapping, walks: Mapping) -> dict:
    """The record "learned" with the rows of the experiments beside it.

    Those of "learned-critics" come behind those of the same networks, minimised; those of "learned-walks" at the end.
    """
    rows, groups = [], dict(record["settings"]["groups"])
    stopped = {row["critic"]: row for row in critics["rows"]}
    facts = {  # of the networks, which the rows beside share
        NETWORKS[row["rival"]]: {key: row[key] for key in ("n_weights", "training_minutes")}
        for row in record["rows"]
        if "n_weights" in row
    }
    for row in record["rows"]:
        rows.append(row)
        if row["rival"] in stopped and row.get("again") is None:
            name = f"{row['rival']}-stopped"
            rows.append(stopped[row["rival"]] | {"rival": name} | facts.get(NETWORKS[row["rival"]], {}))
            groups[name] = groups[row["rival"]]
    walked = [row | facts.get(NETWORKS[row["rival"]], {}) for row in walks["rows"]]
    at = next((k for k, row in enumerate(rows) if groups[row["rival"]] == "posterior"), len(rows))
    return {**record, "rows": rows[:at] + walked + rows[at:], "settings": record["settings"] | {"groups": groups}}


def by_rival(record: Mapping) -> dict[str, Mapping]:
    """The rows in which a rival has the weights of its home."""
    return {row["rival"]: row for row in record["rows"] if row.get("again") is None}


def places_in(record: Mapping) -> list[str]:
    """The places of a record, home first; a stored record has them by the alphabet."""
    order = [*PLACES, *DIGIT_PLACES]
    return sorted(by_rival(record)["tv"]["places"], key=order.index)


def ahead(record: Mapping, rival: str, other: str, place: str = HOME) -> np.ndarray:
    """By how much a rival is ahead of another in PSNR, for every test image of a place, in dB."""
    rows = by_rival(record)
    return np.array(rows[rival]["places"][place]["psnr"]) - np.array(rows[other]["places"][place]["psnr"])


def leaders(record: Mapping, place: str = HOME) -> list[str]:
    """The rival of highest mean PSNR at a place, and those that are not behind it by more than twice the standard error
    of the difference over the images."""
    rows = {name: row for name, row in by_rival(record).items() if place in row["places"]}
    best = max(rows, key=lambda name: np.mean(rows[name]["places"][place]["psnr"]))

    def behind(name: str) -> float:
        gap = ahead(record, best, name, place)
        return float(gap.mean() - 2 * gap.std(ddof=1) / len(gap) ** 0.5)

    return [best] + sorted(
        (n for n in rows if n != best and behind(n) <= 0), key=lambda n: -np.mean(ahead(record, n, best, place))
    )


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, in words.

    Example
    -------
    >>> spread([1.0, 2.0, 3.0])
    '2.0 ± 1.0'
    """
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def at_home(record: Mapping) -> Markdown:
    """Quality at home and of the bright spot, agreement with the data, marks of what did not converge."""
    lines = []
    for row in by_rival(record).values():
        here, spot = row["places"][HOME], row["places"]["bright spot"]
        said = [] if here["converged"] == 1 else [f"{100 * (1 - here['converged']):.0f} % not converged"]
        said += [f"{name} at its limit" for name in row["at_edge_of_grid"]]
        label = row["label"] + "".join(f" ({words})" for words in said)
        lines.append([
            label, spread(here["psnr"]), f"{here['ssim']:.2f}", f"{here['residual']:.2f}", spread(spot["psnr"]),
            f"{100 * np.mean(spot['contrast']):.0f} %",
        ])  # fmt: skip
    head = [
        "method", "PSNR (dB)", "SSIM", "residual / noise", "PSNR with the bright spot", "contrast left of the spot",
    ]  # fmt: skip
    return markdown_table(head, lines)


def costs_table(record: Mapping) -> Markdown:
    """What a method has to have seen, how large it is, and what it costs to train and to use."""
    lines = []
    for row in by_rival(record).values():
        ms = row["places"][HOME]["cpu_ms"]
        weights = f"{row['n_weights']:,}" if "n_weights" in row else ""
        minutes = f"{row['training_minutes']:.0f}" if "training_minutes" in row else ""
        lines.append([row["label"], NEEDS[row["training"]], weights, minutes, str(row["tried"] or ""), f"{ms:.3g}"])
    head = ["method", "needs", "weights", "minutes of training", "weights tried", "ms an image"]
    return markdown_table(head, lines)


def _against_tv(record: Mapping, alt: str, size: tuple[float, float]) -> Figure:
    """A table in colours: mean PSNR minus that of TV, for rivals from top to bottom and places from left to right."""
    rows = by_rival(record)
    rivals = [name for name in rows if name != "tv"]
    places = places_in(record)
    table = np.full((len(rivals), len(places)), np.nan)
    for i, name in enumerate(rivals):
        for j, place in enumerate(places):
            if place in rows[name]["places"]:
                table[i, j] = ahead(record, name, "tv", place).mean()
    figure, ax = subplots(size=size, alt=alt)
    shown = ax.imshow(table, cmap=RESIDUAL_CMAP.removesuffix("_r"), vmin=-6, vmax=6, aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        if np.isfinite(value):
            ax.text(
                j, i, f"{value:+.1f}", ha="center", va="center", fontsize=8.5,
                color="white" if abs(value) > 3.8 else COLOURS["black"],
            )  # fmt: skip
    ax.set_xticks(range(len(places)), [_broken(place) for place in places], fontsize=9)
    ax.set_yticks(range(len(rivals)), [rows[name]["label"] for name in rivals], fontsize=9)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    ax.grid(False)
    for edge in ax.spines.values():
        edge.set_visible(False)
    figure.colorbar(shown, ax=ax, label="PSNR minus that of TV at the same place (dB)", shrink=0.6, extend="both")
    return figure


def _broken(place: str) -> str:
    """In two lines."""
    return place.replace(" ", "\n", 1)


def learned_figure(record: Mapping) -> Figure:
    """Every rival against TV, at home and elsewhere, with the weights of its home."""
    groups = record["settings"]["groups"]
    alt = (
        "A table in colours: mean PSNR minus that of TV for every method, at home in the first column and in other "
        "places in the next ones, where weights and networks are those of home."
    )
    figure = _against_tv(record, alt, size=(9.6, 8.0))
    rivals = [name for name in by_rival(record) if name != "tv"]
    ax = figure.axes[0]
    for i, (above, below) in enumerate(zip(rivals, rivals[1:], strict=False)):
        if groups[above] != groups[below]:
            ax.axhline(i + 0.5, color="white", linewidth=3)
    ax.axvline(0.5, color="white", linewidth=5)
    return figure


def digits_figure(record: Mapping) -> Figure:
    """The same for digits from random measurements."""
    alt = (
        "A table in colours: mean PSNR minus that of TV on digits from 150 random measurements, and, with the same "
        "weights, on turned digits, clothes, with 300 measurements, and with other noise."
    )
    return _against_tv(record, alt, size=(8.2, 4.0))


def retuned_figure(record: Mapping) -> Figure:
    """What tuning again gives where a user would notice that something is different; networks cannot be tuned."""
    rows, again = by_rival(record), {}
    for row in record["rows"]:
        if row.get("again") is not None:
            again.setdefault(row["again"], {})[row["rival"]] = row["places"][row["again"]]["psnr"]
    alt = (
        "PSNR where views or noise differ from home, a panel each: for every method with weights an open mark for the "
        "weights of home and a filled one for weights tuned there; end-to-end networks have one mark."
    )
    figure, axes = subplots(1, len(again), size=(12.5, 5.6), alt=alt, sharey=True, squeeze=False)
    names = [n for n in rows if n in next(iter(again.values())) or record["settings"]["groups"][n] == "end to end"]
    for ax, (place, tuned) in zip(axes[0], again.items(), strict=True):
        for k, name in enumerate(reversed(names)):
            kept = np.mean(rows[name]["places"][place]["psnr"])
            if name in tuned:
                gained = np.mean(tuned[name])
                ax.plot([kept, gained], [k, k], color=COLOURS["blue"], linewidth=1.2)
                ax.plot(gained, k, "o", color=COLOURS["blue"], label="tuned there" if k == len(names) - 1 else None)
                ax.plot(kept, k, "o", color=COLOURS["blue"], markerfacecolor="white")
            else:
                ax.plot(kept, k, "D", color=COLOURS["vermilion"])
        ax.set(title=place, xlabel="PSNR (dB)")
        ax.set_yticks(range(len(names)), [rows[n]["label"] for n in reversed(names)], fontsize=8.5)
        ax.grid(axis="y", visible=False)
    handles = [
        axes[0, 0].plot([], [], "o", color=COLOURS["blue"], markerfacecolor="white")[0],
        axes[0, 0].plot([], [], "o", color=COLOURS["blue"])[0],
        axes[0, 0].plot([], [], "D", color=COLOURS["vermilion"])[0],
    ]
    axes[0, 0].get_figure().legend(
        handles, ["weights of home", "tuned there", "network, cannot be tuned"], loc="lower center", ncols=3
    )
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
    return figure


def learned_story(record: Mapping) -> str:
    """Who leads at home and elsewhere, and by how much over TV."""
    rows, words = by_rival(record), []
    for place in places_in(record):
        first, *level = leaders(record, place)
        said = [] if first == "tv" else [f"{ahead(record, first, 'tv', place).mean():+.1f} dB against TV"]
        said += [f"level with {', '.join(rows[n]['label'] for n in level)}"] if level else []
        words.append(f"{place}: {rows[first]['label']}" + (f" ({', '.join(said)})" if said else ""))
    return "; ".join(words) + "."
