"""Tables in Markdown, which read well in Lab, on Colab and in the book."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import Markdown

__all__ = ["markdown_table"]


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
