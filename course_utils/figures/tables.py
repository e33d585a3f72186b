"""Tables in Markdown, which read well in Lab, on Colab and in the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from IPython.display import Markdown
from torch import Tensor

from ..metrics import psnr
from ..solvers import Result

__all__ = ["markdown_table", "solver_table"]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence]) -> Markdown:
    """A table for the notebook: first column left, numbers right, columns of words left.

    Parameters
    ----------
    header : n strings
    rows : sequences of n entries
        Shown by ``str``; round numbers before.

    Raises
    ------
    ValueError
        A row has another length than the header.

    Example
    -------
    >>> print(markdown_table(["method", "PSNR (dB)"], [["TV", "17.4"]]).data)
    | method | PSNR (dB) |
    |:---|---:|
    | TV | 17.4 |
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"'rows' must hold rows of {len(header)} entries, got {len(row)}: {row}")
    words = [k == 0 or any(len(str(row[k])) > 24 for row in rows) for k in range(len(header))]
    lines = [header, [":---" if left else "---:" for left in words]]
    text = ["| " + " | ".join(map(str, lines[0])) + " |", "|" + "|".join(lines[1]) + "|"]
    return Markdown("\n".join(text + ["| " + " | ".join(map(str, row)) + " |" for row in rows]))


def solver_table(results: Mapping[str, Result], truth: Tensor) -> Markdown:
    """Iterations, evaluations of G (with and without gradient), objective and PSNR of each run, means over its images.

    Parameters
    ----------
    results : dict of name -> Result
    truth : (B, 1, H, W) tensor

    Example
    -------
    >>> from course_utils import GaussianBlur, Tikhonov, reconstruct
    >>> import torch
    >>> A, x = GaussianBlur(28), torch.zeros(1, 1, 28, 28)
    >>> x[:, :, 10:18, 10:18] = 1
    >>> print(solver_table({"Tikhonov": reconstruct(A, A(x), Tikhonov(0.01))}, x).data)
    | mean of each run | iterations | evaluations of G | objective | PSNR (dB) |
    |:---|---:|---:|---:|---:|
    | Tikhonov | 0 | 0 | 0.60... | 25.3... |
    """
    rows = []
    for name, r in results.items():
        evaluations = (r.values + r.gradients).float().mean()
        quality = psnr(r.x, truth).mean()
        rows.append(
            [
                name,
                f"{r.iterations.float().mean():.0f}",
                f"{evaluations:.0f}",
                f"{cast(Tensor, r.objective).mean():.4f}",
                f"{quality:.2f}",
            ]
        )
    return markdown_table(["mean of each run", "iterations", "evaluations of G", "objective", "PSNR (dB)"], rows)
