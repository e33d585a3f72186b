"""What the stored runs of first-order learning show."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots

__all__ = ["best", "first_order_figure", "first_order_rows", "first_order_story", "reach", "rises", "uncertain"]

#: First word of a run -> colour, marker; the runs of a method differ by their dashes.
LOOKS = {"lbfgsb": (COLOURS["black"], "s"), "maid": (COLOURS["vermilion"], "o"), "hoag": (COLOURS["blue"], "^")}
DASHES = ("-", "--")


def best(record: Mapping) -> float:
    """The least exact objective that any run accepted."""
    return min(step[2] for row in record["rows"] for step in row["path"])


def uncertain(record: Mapping) -> float:
    """The largest bound on the error of an exact objective near the best, relative to it."""
    least = best(record)
    return max(step[3] for row in record["rows"] for step in row["path"] if step[2] < 1.05 * least) / least


def reach(row: Mapping, least: float, share: float) -> int | None:
    """Lower-level iterations and Hessian products until the exact objective is within ``share`` of the least."""
    return next((lower + cg for lower, cg, value, *_ in row["path"] if value <= (1 + share) * least), None)


def rises(row: Mapping) -> int:
    """How many accepted steps raised the exact objective, by more than the errors of the two numbers.

    Example
    -------
    >>> rises({"path": [[1, 0, 2.0, 0.0, 2.0], [2, 0, 1.0, 0.0, 1.0], [3, 0, 1.5, 0.0, 0.9]]})
    1
    """
    pairs = zip(row["path"], row["path"][1:], strict=False)
    return sum(b[2] - b[3] > a[2] + a[3] for a, b in pairs)


def first_order_figure(record: Mapping) -> Figure:
    """Excess of the exact objective over the best, against the cost of both levels, one panel a method."""
    least, families = best(record), {"lbfgsb": "L-BFGS-B", "maid": "MAID", "hoag": "HOAG"}
    alt = (
        "Three panels, L-BFGS-B, MAID and HOAG: the excess of the exact objective over the best, on a logarithmic "
        "axis, against lower-level iterations and Hessian products together; grey is below the errors of the exact "
        "values. The rough runs of L-BFGS-B and HOAG are the cheapest and stop early; the two curves of MAID lie "
        "close together and need four times as much."
    )
    figure, axes = subplots(1, 3, size=(8.6, 3.1), alt=alt, sharex=True, sharey=True)
    for ax, (family, title) in zip(axes, families.items(), strict=True):
        rows = [row for row in record["rows"] if row["run"].split()[0] == family]
        for row, dash in zip(rows, DASHES, strict=True):
            colour, marker = LOOKS[family]
            label = record["settings"]["runs"][row["run"]]["label"].removeprefix(title).lstrip(", ")
            cost = [lower + cg for lower, cg, *_ in row["path"]]
            excess = [max(step[2] / least - 1, 1e-6) for step in row["path"]]
            ax.step(
                cost, excess, where="post", color=colour, linestyle=dash, marker=marker, markersize=3.5,
                linewidth=1.4, label=label,
            )  # fmt: skip
        ax.axhspan(1e-7, uncertain(record), color="0.9", zorder=0, linewidth=0)
        ax.set(xscale="log", yscale="log", ylim=(1e-6, 20), title=title, xlabel="iterations of both levels")
        ax.legend(loc="lower left", fontsize=8)
    axes[0].set_ylabel("excess over the best")
    return figure


def first_order_rows(record: Mapping) -> list[list[str]]:
    """Of each run: iterations of both levels to 1 per cent and in all, excess at the end, steps up, convergence."""
    least, lines = best(record), []
    for row in record["rows"]:
        to = reach(row, least, 0.01)
        lines.append(
            [
                record["settings"]["runs"][row["run"]]["label"],
                "never" if to is None else f"{to:,}",
                f"{row['lower_iterations'] + row['cg_iterations']:,}",
                f"{100 * (row['path'][-1][2] / least - 1):.2f} %",
                f"{rises(row)} of {len(row['path']) - 1}",
                "yes" if row["converged"] else "no",
            ]
        )
    return lines


def first_order_story(record: Mapping) -> str:
    """Costs to 1 per cent, ends, and how many accepted steps went up."""
    said = [
        f"{label}: {to} iterations of both levels to 1 per cent, {paid} in all, ends {end} above the best, {up} up"
        f"{'' if converged == 'yes' else '; not converged'}."
        for label, to, paid, end, up, converged in first_order_rows(record)
    ]
    return " ".join(said)
