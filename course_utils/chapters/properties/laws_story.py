"""What the stored record of the four laws and of several training runs shows: figure, tables, words."""

from __future__ import annotations

import itertools
import math
import statistics

from ...figures.labels import DATA, TITLES
from .story import FAMILIES, MAIN

__all__ = ["classes", "figure", "shapes_words", "story", "table", "verdicts"]

LAW_NAMES = {"prior": "N(0, I)", "gaussian": "fitted Gaussian", "aggregated": "aggregated", "flow": "learned (flow)"}


def _runs(record: dict, data: str, family: str) -> list[dict]:
    return [r for r in record["rows"] if (r["data"], r["family"]) == (data, family)]


def _real(record: dict, data: str) -> dict:
    return _runs(record, data, "real")[0]


def spread(values: list[float], digits: int) -> str:
    """Mean and standard deviation over training runs; the value alone if there is one."""
    middle = f"{statistics.mean(values):.{digits}f}"
    return middle if len(values) < 2 else f"{middle} ± {statistics.stdev(values):.{digits}f}"


def table(record: dict, data: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows: EMD, Fréchet distance and share of good samples for each family and law, mean ± over the runs."""
    rows = []
    for family in FAMILIES:
        runs = _runs(record, data, family)
        for law in LAW_NAMES:
            values = [r["laws"][law] for r in runs]
            rows.append([
                TITLES[family], LAW_NAMES[law], spread([v["emd"] for v in values], 1),
                spread([v["frechet"] for v in values], 1 if data == "mnist" else 2),
                spread([100 * v["good"] for v in values], 0),
            ])  # fmt: skip
    real = _real(record, data)
    digits = 1 if data == "mnist" else 2
    rows.append(["real", "–", f"{real['emd']:.1f}", f"{real['frechet']:.{digits}f}", f"{100 * real['good']:.0f}"])
    return ["", "law of z", "EMD", "Fréchet", "good (%)"], rows


#: Where the classes are counted: the AE has hardly a digit under N(0, I) that could be.
COUNTED = (("ae", "gaussian"), ("vae", "prior"), ("vae", "gaussian"), ("vae", "aggregated"), ("wgan", "prior"))
FAR = 3  # standard errors of a difference from which on a class counts as too rare or too frequent


def classes(record: dict) -> tuple[list[str], list[list[str]]]:
    """Head and rows: share of each digit among the samples that are surely one, in per cent.

    A minus or plus stands where every training run has too few or too many, by three standard errors, beside the real
    test digits.
    """
    real, n = _real(record, "mnist"), record["settings"]["n"]
    rows = [["real digits", "–", *(f"{100 * p:.1f}" for p in real["classes"])]]
    for family, law in COUNTED:
        found = [r["laws"][law] for r in _runs(record, "mnist", family)]
        cells = []
        for k, expected in enumerate(real["classes"]):
            shares = [v["classes"][k] for v in found]
            units = [
                (p - expected)
                / math.sqrt(p * (1 - p) / (v["good"] * n) + expected * (1 - expected) / (real["good"] * n))
                for p, v in zip(shares, found, strict=True)
            ]
            mark = " −" if max(units) < -FAR else " +" if min(units) > FAR else ""
            cells.append(f"{100 * statistics.mean(shares):.1f}{mark}")
        rows.append([TITLES[family], LAW_NAMES[law], *cells])
    return ["", "law of z", *map(str, range(10))], rows


def shapes_words(record: dict) -> str:
    """What each measure says of the three generators of Shapes, in numbers: is G to blame, or the law?"""
    lines, real = [], _real(record, "shapes")
    for family in FAMILIES:
        runs = _runs(record, "shapes", family)
        each = {k: [[r["laws"][law][k] for law in LAW_NAMES] for r in runs] for k in ("emd", "frechet", "good")}
        share = [100 * v for run in each["good"] for v in run]
        emd = [v for run in each["emd"] for v in run[1:]]
        fitted = [run[1] for run in each["frechet"]]
        lines.append(
            f"Shapes, {TITLES[family]}: good samples {min(share):.0f} to {max(share):.0f} per cent over the four laws; "
            f"EMD {min(emd):.1f} to {max(emd):.1f} under the three fitted ones (real images {real['emd']:.1f}); "
            f"Fréchet distance {spread(fitted, 2)} under a fitted Gaussian."
        )
    return "\n".join(lines)


def verdicts(record: dict) -> list[list[str]]:
    """Claims of the paper's text: claim, data, our numbers, for how many triples of training runs it holds."""
    lines = []
    for data in MAIN:
        runs = {family: _runs(record, data, family) for family in FAMILIES}
        triples = [dict(zip(FAMILIES, triple, strict=True)) for triple in itertools.product(*runs.values())]

        def held(test, triples=triples) -> str:
            return f"{sum(map(test, triples))} of {len(triples)}"

        def said(value, digits: int, runs=runs) -> str:
            return ", ".join(f"{TITLES[f]} {spread([value(r) for r in runs[f]], digits)}" for f in FAMILIES)

        def emd_of(row: dict) -> float:
            return row["laws"]["prior"]["emd"]

        nrmse, energy = said(lambda r: r["nrmse"], 3), said(lambda r: r["energy"], 3)
        lines += [
            ["the VAE has the lowest EMD", DATA[data], said(emd_of, 1),
             held(lambda r: emd_of(r["vae"]) < min(emd_of(r["ae"]), emd_of(r["wgan"])))],
            ["AE and VAE are alike in A1: NRMSE within 10 %", DATA[data], nrmse,
             held(lambda r: abs(r["ae"]["nrmse"] / r["vae"]["nrmse"] - 1) < 0.1)],
            ["the GAN is worst in A1", DATA[data], nrmse,
             held(lambda r: r["wgan"]["nrmse"] > max(r["ae"]["nrmse"], r["vae"]["nrmse"]))],
            ["encodings of VAE and GAN match the prior: energy distance within chance", DATA[data], energy,
             held(lambda r: all(r[f]["energy"] < r[f]["critical"] for f in ("vae", "wgan")))],
            ["those of the AE do not", DATA[data], energy, held(lambda r: r["ae"]["energy"] > r["ae"]["critical"])],
        ]  # fmt: skip
    return lines


def story(record: dict) -> str:
    parts = []
    for data in MAIN:
        words = []
        for family in FAMILIES:
            runs = _runs(record, data, family)
            if runs:
                each = [spread([r["laws"][law]["emd"] for r in runs], 1) for law in LAW_NAMES]
                words.append(f"{TITLES[family]} {' / '.join(each)}")
        parts.append(f"{DATA[data]}, EMD under {' / '.join(LAW_NAMES.values())}: {'; '.join(words)}; "
                     f"real images {_real(record, data)['emd']:.1f}")  # fmt: skip
    counts = {f"{DATA[d]} {TITLES[f]}": len(_runs(record, d, f)) for d in MAIN for f in FAMILIES}
    return f"{'. '.join(parts)}. Training runs: {', '.join(f'{k} {v}' for k, v in counts.items())}."


def figure(record: dict):
    from .figures import laws

    return laws(record["rows"], LAW_NAMES, alt=f"Samples under four laws of z. {story(record)}")
