"""What networks do with an object that is turned, drawn and told from the record."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import Markdown
from matplotlib.figure import Figure

from ...figures.style import COLOURS, subplots
from ...figures.tables import markdown_table
from ...training.learned_recipes import SCAN

__all__ = ["GREY", "LOOKS", "between", "loss", "row_of", "small", "turns_figure", "turns_story", "turns_table"]

SIGMA = SCAN.sigma
LOOKS = {"ordinary": ("vermilion", "--"), "augmented": ("orange", "-."), "equivariant": ("blue", "-")}
#: Panel -> whose curve stands in grey for comparison, which one, and what it is called.
GREY = {
    "error": ("equivariant", "interpolation", "interpolation, there and back"),
    "psnr": ("ordinary", "psnr_turned", "gΦ(y), ordinary"),
}
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def row_of(record: Mapping, name: str, sigma: float = SIGMA) -> Mapping:
    """The row of one network at one noise level."""
    return next(row for row in record["rows"] if (row["name"], row["sigma"]) == (name, sigma))


def between(record: Mapping, name: str, what: str = "error", sigma: float = SIGMA, quarter: bool = False) -> float:
    """The mean over the angles that are no quarter turns, or over the three quarter turns."""
    pairs = zip(record["settings"]["angles"], row_of(record, name, sigma)[what], strict=True)
    values = [value for angle, value in pairs if (angle in (-90, 90, 180) if quarter else angle % 90)]
    return sum(values) / len(values)


def loss(record: Mapping, name: str, sigma: float = SIGMA) -> float:
    """By how many dB, between quarter turns, the turned reconstruction is better than that of the turned data."""
    return between(record, name, "psnr_turned", sigma) - between(record, name, "psnr", sigma)


def small(value: float) -> str:
    """A relative error with three decimals, or as a power of ten where these would be zeros.

    >>> small(0.1234), small(3.2e-7), small(0.0)
    ('0.123', '3·10⁻⁷', '0')
    """
    if value == 0 or value >= 5e-4:
        return f"{value:.3f}" if value else "0"
    factor, power = f"{value:.0e}".split("e")
    return f"{factor}·10{str(int(power)).translate(SUPERSCRIPTS)}"


def turns_table(record: Mapping) -> Markdown:
    """Error and PSNR of each network, with noise and without: upright, at quarter turns, and between them."""
    upright = record["settings"]["angles"].index(0)
    lines = []
    for row in record["rows"]:
        name, sigma = row["name"], row["sigma"]
        error = [small(between(record, name, "error", sigma, quarter)) for quarter in (True, False)]
        quality = [between(record, name, "psnr", sigma, quarter) for quarter in (True, False)]
        quality.append(between(record, name, "psnr_turned", sigma))
        lines.append([name, f"{sigma:g}", *error, *(f"{v:.2f}" for v in (row["psnr"][upright], *quality))])
    head = [
        "network", "noise", "error, quarter turns", "error, between", "PSNR (dB), upright", "PSNR, quarter turns",
        "PSNR, between", "PSNR of gΦ(y), between",
    ]  # fmt: skip
    return markdown_table(head, lines)


def turns_figure(record: Mapping) -> Figure:
    """Error and PSNR over the angle, at the noise of the training."""
    angles = record["settings"]["angles"]
    alt = (
        "Two panels over the angle of the object from minus 180 to 180 degrees. Left: the relative distance between "
        "the reconstruction of the turned data and the turned reconstruction, for an ordinary, an augmented and an "
        "equivariant network, and in grey what interpolation does there and back. Right: PSNR of the reconstructions "
        "of the turned data, and in grey that of the turned reconstruction of the ordinary network."
    )
    figure, axes = subplots(1, 2, size=(9.6, 3.4), alt=alt)
    for ax, what in zip(axes, ("error", "psnr"), strict=True):
        for name, (colour, line) in LOOKS.items():
            ax.plot(angles, row_of(record, name)[what], line, color=COLOURS[colour], label=name)
        of, key, words = GREY[what]
        ax.plot(angles, row_of(record, of)[key], ":", color="0.45", label=words)
        ax.set(xlabel="the object is turned by (degrees)")
        ax.set_xticks(range(-180, 181, 90))
    highest = max(max(row_of(record, name)["error"]) for name in LOOKS)
    axes[0].set(ylabel=r"$\|\Phi(T_gy)-g\,\Phi(y)\|\ /\ \|\Phi(y)\|$", ylim=(0, 1.5 * highest))  # room for the key
    middle = between(record, "ordinary", "psnr")
    axes[1].set(ylabel="PSNR (dB)", ylim=(middle - 2, middle + 2))  # on a finer scale, nothing would look like much
    for ax in axes:
        ax.legend(fontsize=8, loc="upper center", ncols=2)
    return figure


def turns_story(record: Mapping) -> str:
    """Errors at the quarter turns and between them, with noise and without, and what turning costs in dB."""
    parts = []
    for name in LOOKS:
        at, off, quiet = (
            between(record, name, quarter=True), between(record, name), between(record, name, sigma=0.0)
        )  # fmt: skip
        parts.append(
            f"{name} {at:.2g} at quarter turns, {off:.3f} between them ({quiet:.3f} without noise), where the "
            f"turned reconstruction is better by {loss(record, name):.2f} dB"
        )
    floor = between(record, "equivariant", "interpolation")
    return f"Equivariance error: {'; '.join(parts)}. Interpolation there and back alone changes {floor:.3f}."
