"""What the paper says about Fig. 12, and what our numbers say of each claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...reproduce.setting import mean
from .claims import MET, PART, Claim, all_above, deviation, judge, limits

__all__ = ["fig12_claims", "fig12_notes", "fig12_words"]


def fig12_claims(record: Mapping) -> list[Claim]:
    """The claims of the paper's text about Fig. 12, with the weight chosen for each image, as the paper does."""
    rows = {(r["method"], r["sigma"]): r for r in record["rows"]}
    noise = sorted(record["settings"]["noise"])
    db = {key: r["oracle_psnr"] for key, r in rows.items()}

    def needed(*methods: str) -> list[tuple]:
        return [(m, s) for m in methods for s in noise]

    def above(one: str, other: str) -> Callable[[], tuple[bool, str]]:
        def test() -> tuple[bool, str]:
            holds, words = all_above(*([db[m, s] for s in noise] for m in (one, other)))
            return holds, rests(f"{one} minus {other} {words}", one, other)

        return test

    def rests(words: str, *methods: str) -> str:
        """The words, with a warning if some of the runs behind them were cut off."""
        cut = [s for s in noise if any(rows[m, s].get("converged", 1) < MET for m in methods)]
        return words + (f"; cut off by their budget at noise {', '.join(map(str, cut))}" if cut else "")

    def wider() -> tuple[bool, str]:
        wide = {m: mean([deviation(db[m, s]) for s in noise]) for m in ("relaxed", "tikhonov")}
        return wide["relaxed"] > wide["tikhonov"], f"std {wide['relaxed']:.2f} and {wide['tikhonov']:.2f} dB"

    def best() -> tuple[bool, str]:
        wins = [max(record["settings"]["methods"], key=lambda m: mean(db[m, s])) for s in noise]
        words = "best from little noise to much: " + ", ".join(wins)
        return wins.count("relaxed") >= PART * len(noise), rests(words, *record["settings"]["methods"])

    def flat() -> tuple[bool, str]:
        rise = {m: mean(db[m, noise[0]]) - mean(db[m, noise[-1]]) for m in ("hard", "tikhonov")}
        words = f"hard gains {rise['hard']:.2f} dB over all noise levels, Tikhonov {rise['tikhonov']:.2f}"
        return rise["hard"] < rise["tikhonov"] / 3, words

    def louder() -> tuple[bool, str]:
        gap = {s: mean(db["hard", s]) - mean(db["tikhonov", s]) for s in (noise[0], noise[-1])}
        words = f"hard minus Tikhonov {gap[noise[0]]:+.2f} dB at {noise[0]}, {gap[noise[-1]]:+.2f} dB at {noise[-1]}"
        return gap[noise[-1]] > gap[noise[0]], words

    return [
        judge("relaxed gives the best PSNR", needed(*record["settings"]["methods"]), db, best),
        judge("relaxed outperforms Tikhonov", needed("relaxed", "tikhonov"), db, above("relaxed", "tikhonov")),
        judge("with a larger variance", needed("relaxed", "tikhonov"), db, wider),
        judge(
            "sparse is consistently worse than Tikhonov", needed("sparse", "tikhonov"), db, above("tikhonov", "sparse")
        ),
        judge("hard does not improve with less noise", needed("hard", "tikhonov"), db, flat),
        judge("hard is comparatively better with more noise", needed("hard", "tikhonov"), db, louder),
    ]


def fig12_words(record: Mapping) -> str:
    """The claims, and how much the choice of the weight by the truth gives."""
    claims = " ".join(f"{k}. {claim}" for k, claim in enumerate(fig12_claims(record), 1))
    return (
        f"Ours: brain slices, {len(record['rows'][0]['psnr'])} of one head; the paper: 50 knee images, claims from its "
        f"text. Weights chosen for each image by its truth, as in the paper. {claims} " + " ".join(fig12_notes(record))
    )


def fig12_notes(record: Mapping) -> list[str]:
    """Without the claims: what the choice of the weight by the truth gives, what had not converged, ends of grids."""
    rows = record["rows"]
    oracle = [
        f"{m} {mean([mean(r['oracle_psnr']) - mean(r['psnr']) for r in rows if r['method'] == m]):+.2f}"
        for m in dict.fromkeys(r["method"] for r in rows)
    ]
    gains = f"The choice of the weight by the truth gives, against tuning on another head, in dB: {', '.join(oracle)}."
    return [gains, *limits(rows, rows)]
