"""What the record of plug-and-play says: how many runs settle, what stopping costs, and a claim of the lectures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

__all__ = ["convergence_claim", "denoising_story", "ends_table", "growth", "jacobians", "shares", "stopping"]

ENDS = ("settles", "falls", "moves", "leaves")
#: A step that is longer than the one before by no more than this is round-off.
ROUND_OFF = 1e-3


def _runs(record: Mapping, **wanted) -> Iterator[dict]:
    """The runs of all rows that have what is wanted: denoiser, scheme, sigma."""
    for row in record["rows"]:
        if all(row[key] == value for key, value in wanted.items()):
            yield from row["runs"]


def _names(record: Mapping, key: str) -> list:
    return list(dict.fromkeys(row[key] for row in record["rows"]))


def shares(record: Mapping, **wanted) -> dict[str, float]:
    """How runs end, as parts of all runs (a setting and an image each).

    Example
    -------
    >>> record = {"rows": [{"denoiser": "D", "runs": [{"ends": ["settles", "moves"]}]}]}
    >>> shares(record, denoiser="D")
    {'settles': 0.5, 'falls': 0.0, 'moves': 0.5, 'leaves': 0.0}
    """
    ends = [end for run in _runs(record, **wanted) for end in run["ends"]]
    return {end: ends.count(end) / len(ends) for end in ENDS}


def ends_table(record: Mapping) -> tuple[list[str], list[list[str]]]:
    """Head and rows: how the runs of each denoiser and scheme end, in per cent, and the largest growth of a step."""
    rows = []
    for denoiser in _names(record, "denoiser"):
        for scheme in _names(record, "scheme"):
            part = shares(record, denoiser=denoiser, scheme=scheme)
            most = growth(record, denoiser=denoiser, scheme=scheme)
            rows.append([denoiser, scheme, *(f"{100 * part[end]:.0f} %" for end in ENDS), f"{most:.3g}"])
    head = [
        "denoiser", "scheme", "settled", "steps still falling", "steps do not fall", "left",
        "largest step over the one before",
    ]  # fmt: skip
    return head, rows


def growth(record: Mapping, **wanted) -> float:
    """The largest factor by which a step was longer than the one before it; a run that was given up counts as inf."""
    return max(np.inf if g is None else g for run in _runs(record, **wanted) for g in run["growth"])


def stopping(record: Mapping, **wanted) -> dict[str, float]:
    """Mean losses in dB against the best image on the way, and how often the rule "misfit below delta" fires.

    "last": of the last image, over all runs that were not given up. "rule": where the rule fires, of its image.
    "last there": of the last image in the same runs.
    """
    last, rule, there, n = [], [], [], 0
    for run in _runs(record, **wanted):
        for best, end, fires in zip(run["best"], run["last"], run["fires"], strict=True):
            n += 1
            if end is not None:
                last.append(best - end)
            if fires is not None:
                rule.append(best - fires)
                if end is not None:
                    there.append(best - end)
    return {
        "last": float(np.mean(last)), "worst last": float(np.max(last)), "fires": len(rule) / n,
        "rule": float(np.mean(rule)) if rule else float("nan"),
        "last there": float(np.mean(there)) if there else float("nan"),
    }  # fmt: skip


def best_setting(record: Mapping, denoiser: str, settled: bool = False) -> dict:
    """The setting of highest mean PSNR of the last image: scheme, strength, weight and PSNR.

    With ``settled``, among settings in which every run settles.
    """
    found = {"psnr": -np.inf}
    for row in record["rows"]:
        if row["denoiser"] != denoiser:
            continue
        for run in row["runs"]:
            if None in run["last"] or (settled and set(run["ends"]) != {"settles"}):
                continue
            quality = float(np.mean(run["last"]))
            if quality > found["psnr"]:
                found = {"scheme": row["scheme"], "sigma": row["sigma"], "weight": run["weight"], "psnr": quality}
    return found


def jacobians(record: Mapping) -> tuple[list[str], list[list[str]]]:
    """Head and rows: the Jacobian of each denoiser, least and greatest value over strengths, iterations and images."""
    rows = []
    for denoiser in _names(record, "denoiser"):
        looks = [look for row in record["rows"] if row["denoiser"] == denoiser for look in row.get("jacobian", [])]
        ends = []
        for key in ("lipschitz", "rest", "asymmetry"):
            values = [value for look in looks for value in look[key]]
            ends.append(f"{min(values):.2g} to {max(values):.2g}")
        rows.append([denoiser, *ends])
    return ["denoiser", "norm of J", "norm of I − J", "asymmetry of J"], rows


def denoising_story(record: Mapping) -> str:
    """How many runs settle, what the last image loses, how often the rule fires."""
    words = []
    for denoiser in _names(record, "denoiser"):
        part, stop, most = shares(record, denoiser=denoiser), stopping(record, denoiser=denoiser), growth(
            record, denoiser=denoiser
        )  # fmt: skip
        best = best_setting(record, denoiser)
        words.append(
            f"{denoiser}: {100 * part['settles']:.0f} % of the runs settle, in {100 * part['falls']:.0f} % the steps "
            f"still fall, in {100 * (part['moves'] + part['leaves']):.0f} % they do not; a step is at most {most:.3g} "
            f"times the one before; the last image lies {stop['last']:.2f} dB below the best on the way (at most "
            f"{stop['worst last']:.1f}); the misfit falls below the noise in {100 * stop['fires']:.0f} % of the runs; "
            f"the best setting has {best['psnr']:.1f} dB ({best['scheme']}, σ = {best['sigma']:g})"
        )
    return "; ".join(words) + "."


def convergence_claim(record: Mapping) -> dict[str, str]:
    """What the lectures say of convergence, what the record says, and its control: the denoiser that is nonexpansive.

    The claim is about denoisers of which nothing is known.  It is met if runs of the two that are not nonexpansive do
    not settle, and in some of them the steps do not even fall.  The control is the same iteration on the same data with
    a denoiser for which convergence is a theorem: if it settles everywhere and no step is longer than the one before,
    the denoiser is the reason, not the scheme, and the claim is met in part.
    """
    free, smooth = shares(record, denoiser="residual"), shares(record, denoiser="gradient-step")
    kept, rules = shares(record, denoiser="1-Lipschitz"), stopping(record)
    fails = free["moves"] + free["leaves"] + smooth["moves"] + smooth["leaves"]
    control = kept["settles"] == 1 and growth(record, denoiser="1-Lipschitz") <= 1 + ROUND_OFF
    verdict = "does not agree" if fails == 0 else "agrees in part" if control else "agrees"
    n = record["settings"]["iterations"]
    return {
        "published": "Plug-and-play is not well behaved: it is hard to guarantee that it stops.",
        "ours": (
            f"After {n} iterations {100 * free['settles']:.0f} % of the runs of the residual denoiser have settled and "
            f"{100 * smooth['settles']:.0f} % of those of the gradient-step denoiser; in "
            f"{100 * (free['moves'] + free['leaves']):.0f} % and {100 * (smooth['moves'] + smooth['leaves']):.0f} % "
            f"the steps do not fall. The rule “stop when the misfit is below δ” fires in {100 * rules['fires']:.0f} % "
            "of all runs."
        ),
        "control": (
            f"The 1-Lipschitz denoiser in the same schemes on the same data: {100 * kept['settles']:.0f} % settle"
            + (", and no step is longer than the one before it." if control else ".")
            + f" But the rule fires in only {100 * stopping(record, denoiser='1-Lipschitz')['fires']:.0f} % of them."
        ),
        "verdict": verdict,
    }  # fmt: skip
