"""What the record of the samplers says: quality, agreement with the data, and whether nine tenths are nine tenths."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .posteriors_figures import on

__all__ = ["control_table", "posteriors_story", "row_of", "shapes_table"]

NAMES = {"step": "step", "lam": "λ", "alpha": "α"}


def _weights(row: Mapping) -> str:
    return ", ".join(f"{NAMES[name]} = {value:g}" for name, value in row["chosen"].items())


def row_of(record: Mapping, where: str, sampler: str) -> dict:
    """The row of a sampler on the "shapes" or the "gaussian" control."""
    return next(row for row in on(record, where) if row["sampler"] == sampler)


def ratio(row: Mapping) -> float:
    """Root mean square error of the mean over what the spread of the draws announces: 1 if right."""
    return float((np.mean(np.square(row["error"])) / np.mean(np.square(row["spread"]))) ** 0.5)


def shapes_table(record: Mapping) -> tuple[list[str], list[list[str]]]:
    """Head and rows: the samplers on the scan."""
    head = [
        "sampler", "weights", "PSNR of a draw (dB)", "PSNR of the mean", "residual / noise, draw", "error / spread",
        "truth within 19 draws", "the same near edges",
    ]  # fmt: skip
    rows = []
    for row in on(record, "shapes"):
        mean = {key: float(np.mean(row[key])) for key in ("psnr_draw", "psnr_mean", "residual")}
        rows.append([
            row["sampler"], _weights(row), f"{mean['psnr_draw']:.1f}", f"{mean['psnr_mean']:.1f}",
            f"{mean['residual']:.3f}", f"{ratio(row):.2f}", f"{100 * np.mean(row['coverage']):.0f} %",
            f"{100 * np.mean(row['coverage_edges']):.0f} %",
        ])  # fmt: skip
    return head, rows


def control_table(record: Mapping) -> tuple[list[str], list[list[str]]]:
    """Head and rows: draws against the exact posterior, with what exact draws have by chance."""
    head = [
        "sampler", "weights", "error of the mean (by chance)", "variance over exact",
        "error of the covariance (by chance)", "truth within 19 draws", "calibrated",
    ]  # fmt: skip
    rows = [
        [
            row["sampler"], _weights(row), f"{row['mean_error']:.2f} ({row['mean_floor']:.2f})", f"{row['spread']:.2f}",
            f"{row['covariance_error']:.2f} ({row['covariance_floor']:.2f})",
            f"{100 * row['coverage']:.0f} ± {100 * row['coverage_error']:.0f} %", "yes" if row["calibrated"] else "no",
        ]
        for row in on(record, "gaussian")
    ]  # fmt: skip
    return head, rows


def posteriors_story(record: Mapping) -> str:
    """Samplers on the scan, then on the control."""
    words = [
        f"{row['sampler']}: the mean has {np.mean(row['psnr_mean']):.1f} dB, a draw {np.mean(row['psnr_draw']):.1f}, "
        f"residual {np.mean(row['residual']):.2f} of the noise; the error is {ratio(row):.2f} times the spread, and "
        f"{100 * np.mean(row['coverage_edges']):.0f} % of the pixels near edges lie within 19 draws (90 if calibrated)"
        for row in on(record, "shapes")
    ]
    control = [
        f"{row['sampler']}: variance {row['spread']:.2f} of the exact one, "
        f"{100 * row['coverage']:.0f} % within 19 draws"
        for row in on(record, "gaussian")
    ]
    return "; ".join(words) + ". With the exact Gaussian prior: " + "; ".join(control) + "."
