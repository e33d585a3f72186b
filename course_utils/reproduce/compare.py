"""Are two records the same but for times?"""

from __future__ import annotations

__all__ = ["differences", "is_time"]

#: Of the run, not of the result.
_OF_THE_RUN = {"provenance", "run"}


def is_time(key: str) -> bool:
    """Whether a key names a time: "seconds", "paper_ms_per_image".

    Example
    -------
    >>> [is_time(key) for key in ("wall_seconds", "ms_per_image", "forms")]
    [True, True, False]
    """
    return "seconds" in key or "ms" in key.split("_")


def differences(first, second, tolerance: float = 0.0, where: str = "record") -> list[str]:
    """Places in which two records differ, times and provenance aside; none if serial and parallel runs agree.

    Parameters
    ----------
    first, second : plain values, as ``load_result`` gives them
    tolerance : float >= 0
        For numbers: |a - b| <= tolerance * max(1, |a|, |b|).  Zero holds where both ran with as many threads of torch;
        more threads add in another order.

    Returns
    -------
    list of str
        One line each.

    Example
    -------
    >>> differences({"psnr": [20.0, 21.0], "seconds": 3.0}, {"psnr": [20.0, 21.5], "seconds": 9.0})
    ['record.psnr[1]: 21.0 and 21.5']
    """
    if isinstance(first, dict) and isinstance(second, dict):
        skipped = {key for key in first | second if is_time(key)} | (_OF_THE_RUN if where == "record" else set())
        keys = [key for key in first | second if key not in skipped]
        missing = [f"{where}.{key}: only in one of them" for key in keys if (key in first) != (key in second)]
        both = [key for key in keys if key in first and key in second]
        return missing + [d for k in both for d in differences(first[k], second[k], tolerance, f"{where}.{k}")]
    if isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            return [f"{where}: {len(first)} and {len(second)} entries"]
        pairs = enumerate(zip(first, second, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, tolerance, f"{where}[{i}]")]
    numbers = all(type(value) in (int, float) for value in (first, second))
    if numbers and abs(first - second) <= tolerance * max(1, abs(first), abs(second)):
        return []
    return [] if type(first) is type(second) and first == second else [f"{where}: {first!r} and {second!r}"]
