"""What was published about the learned covariance, and what our numbers say of each claim."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...reproduce.pictures import unpack
from ...reproduce.setting import mean

__all__ = [
    "MET", "PART", "Claim", "Published", "all_above", "covariance_claims", "covariance_notes", "covariance_words",
    "deviation", "judge", "limits", "roughness",
]  # fmt: skip

AGREES, DIFFERS, UNTESTED = "agrees", "does not", "untested"
#: An order that is claimed for several settings must hold on the mean over them, and at so large a part of them.
PART = 0.75
#: dB between two methods that are called similar.
SIMILAR = 1.0
#: Part of the runs that must have met their stopping rule, or the result is marked.
MET = 0.9


class Published:
    """Mean PSNR in dB on fastMRI knees, by setting (spokes, sigma); read off the vector graphics, to about 0.05 dB.

    Source
    ------
    Poster of M. J. Ehrhardt, ICMS 2023, on Duff, Simpson, Ehrhardt, Campbell, Phys. Med. Biol. 68 (2023).  The poster
    does not say the noise levels of its two panels over spokes; 0.05 and a lower one, here 0.0125, are our reading.
    """

    label = "published: knees, digitised from the ICMS poster"
    spokes = (5, 25, 45, 65, 85, 105, 125, 145)
    over_spokes = {
        0.05: {
            "identity": (24.89, 28.88, 29.36, 29.47, 29.51, 29.55, 29.57, 29.57),
            "diagonal": (23.52, 27.33, 29.31, 29.98, 30.24, 30.20, 30.10, 29.95),
            "covariance": (23.08, 29.91, 31.12, 31.69, 31.93, 32.16, 32.31, 32.38),
            "vn-25-0.05": (17.15, 30.55, 31.21, 30.91, 30.59, 30.51, 30.41, 30.49),
            "vn-125-0.05": (None, None, 14.63, 21.21, 29.95, 32.15, 32.22, 32.48),
            "hard": (23.98, 26.94, 26.97, 27.03, 26.86, 26.89, 26.75, 26.92),
            "narnhofer": (25.78, 30.43, 31.15, 31.44, 31.60, 31.68, 31.75, 31.78),
        },
        0.0125: {
            "identity": (25.57, 31.48, 33.67, 35.01, 35.95, 36.55, 37.09, 37.52),
            "diagonal": (24.82, 32.62, 34.47, 35.45, 36.30, 37.03, 37.67, 38.23),
            "covariance": (23.51, 33.02, 35.48, 36.75, 37.58, 38.16, 38.59, 38.94),
        },
    }
    noise = (0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625)
    at_25_spokes = {
        "covariance": (25.57, 28.26, 29.87, 31.65, 32.85, 33.46),
        "vn-25-0.05": (17.84, 26.04, 30.52, 31.28, 31.45, 31.50),
        "vn-25-0.0125": (14.38, 20.26, 26.68, 31.42, 33.09, 33.58),
        "narnhofer": (26.52, 28.34, 30.40, 31.76, 32.73, 33.25),
        "hard": (26.06, 26.63, 26.91, 26.87, 26.91, 26.91),
    }


@dataclass(frozen=True)
class Claim:
    """One statement, what our numbers say of it ("agrees", "does not", "untested"), the numbers, who made it."""

    text: str
    verdict: str
    numbers: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.verdict.upper()}" + (f" ({self.numbers})." if self.numbers else ".")


def judge(text: str, needed: Sequence, found: Mapping, test: Callable[[], tuple[bool, str]], source: str = "") -> Claim:
    """The claim with its verdict; untested if one of the results it ``needed`` was not ``found``.

    Example
    -------
    >>> print(judge("a is more than b", ["a", "b"], {"a": 2, "b": 1}, lambda: (2 > 1, "2 and 1")))
    a is more than b: AGREES (2 and 1).
    >>> print(judge("a is more than b", ["a", "b"], {"a": 2}, lambda: (2 > 1, "2 and 1")))
    a is more than b: UNTESTED.
    """
    if any(key not in found for key in needed):
        return Claim(text, UNTESTED, source=source)
    holds, numbers = test()
    return Claim(text, AGREES if holds else DIFFERS, numbers, source)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation over the slices, with n - 1."""
    centre = mean(values)
    return math.sqrt(sum((v - centre) ** 2 for v in values) / max(1, len(values) - 1))


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ± {deviation(values):.2f} dB"


def _gaps(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Differences slice by slice."""
    return [a - b for a, b in zip(one, other, strict=True)]


def _gain(gaps: Sequence[float]) -> str:
    return f"{mean(gaps):+.2f} ± {deviation(gaps):.2f} dB"


def all_above(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> tuple[bool, str]:
    """Whether ``one`` is above ``other``, lists of settings of slices, on the mean and in ``PART`` of the settings."""
    gaps = [_gaps(*pair) for pair in zip(one, other, strict=True)]
    holds = sum(mean(gap) > 0 for gap in gaps)
    by_slice = [mean(gap) for gap in zip(*gaps, strict=True)]
    words = f"{_gain(by_slice)}, positive at {holds} of {len(gaps)} settings"
    return mean(by_slice) > 0 and holds >= PART * len(gaps), words


def roughness(picture: Sequence[str], side: int) -> float:
    """Mean step of grey value from a pixel to its neighbours, of the stored middle of an image."""
    image = unpack(picture, side)
    return float((image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean()) / 2)


LECTURES, POSTER = "lectures, II.2", "poster's curves"


def covariance_claims(record: Mapping) -> list[Claim]:
    """The claims about learned covariance, from the stored record of ``covariance``: the text's, then the poster's."""
    return [*_said(record), *_drawn(record)]


def _compared(db: Mapping, one: str, other: str, places: Sequence[tuple]) -> tuple[bool, str]:
    """``all_above`` of two methods at some places; the words say which is subtracted from which."""
    holds, words = all_above(*([db[(m, *at)] for at in places] for m in (one, other)))
    return holds, f"{one} minus {other} {words}"


def _by_place(record: Mapping, theory: bool = False) -> dict:
    """(method, spokes, sigma) -> PSNR of the slices; with the weight of the ``theory`` where that was run, too."""
    rows = [r for r in record["rows"] if r["kind"] == "row"]
    return {
        (r["method"], r["spokes"], r["sigma"]): r["theory"]["psnr"] if theory and "theory" in r else r["psnr"]
        for r in rows
    }


def _said(record: Mapping) -> list[Claim]:
    """What the text of the lectures says."""
    db, untuned = _by_place(record), _by_place(record, theory=True)
    homes = [(25, 0.05), (125, 0.05), (25, 0.0125)]
    networks = [f"vn-{spokes}-{sigma:g}" for spokes, sigma in homes]

    def places(*methods: str) -> list[tuple]:
        return [at for _, *at in db if all((m, *at) in db for m in methods) for at in [tuple(at)]]

    def above(text: str, one: str, other: str) -> Claim:
        common = list(dict.fromkeys(places(one, other)))
        needed = [(m, *at) for at in common or [(0, 0)] for m in (one, other)]
        return judge(text, needed, db, lambda: _compared(db, one, other, common), LECTURES)

    def similar(text: str, one: str, other: str, at: Sequence[tuple], found: Mapping) -> Claim:
        def test() -> tuple[bool, str]:
            gaps = [_gaps(found[(one, *place)], found[(other, *place)]) for place in at]
            by_slice = [mean(gap) for gap in zip(*gaps, strict=True)]
            return abs(mean(by_slice)) < SIMILAR, f"{one} minus {other} {_gain(by_slice)} over {len(at)} settings"

        return judge(text, [(m, *place) for place in at or [(0, 0)] for m in (one, other)], found, test, LECTURES)

    def peaks() -> tuple[bool, str]:
        words, holds = [], []
        for label, values in (("tuned", db), ("2 sigma^2", untuned)):
            gaps = [
                mean(_gaps(values[(n, *h)], values[("covariance", *h)])) for n, h in zip(networks, homes, strict=True)
            ]
            holds.append(max(map(abs, gaps)) < SIMILAR)
            words.append(f"{label}: " + ", ".join(f"{g:+.2f}" for g in gaps))
        return holds[1], "network minus covariance at the three homes in dB, lam " + "; ".join(words)

    def smoother(text: str, method: str) -> Claim:
        def test() -> tuple[bool, str]:
            values = {m: mean([rough[(m, *at)] for at in shown]) for m in (method, "covariance")}
            words = ", ".join(f"{m} {v:.4f}" for m, v in values.items())
            return values[method] < values["covariance"], f"mean grey step {words}"

        return judge(text, [(m, *at) for m in (method, "covariance") for at in shown], rough, test, LECTURES)

    side = record["settings"]["window"]
    pictured = [r for r in record["rows"] if "examples" in r]
    rough = {(r["method"], r["spokes"], r["sigma"]): roughness(r["examples"], side) for r in pictured}
    shown = [tuple(at) for at in record["settings"]["examples_at"]]
    both = list(dict.fromkeys(places("covariance", "narnhofer")))
    return [
        above("covariance is superior to diagonal", "covariance", "diagonal"),
        above("covariance is superior to identity", "covariance", "identity"),
        judge(
            "the network has a similar peak (within 1 dB, lam = 2 sigma^2)",
            [(m, *h) for n, h in zip(networks, homes, strict=True) for m in (n, "covariance")], db, peaks, LECTURES,
        ),
        above("it is better than Bora's method (hard)", "covariance", "hard"),
        similar("it is similar to Narnhofer's (within 1 dB)", "covariance", "narnhofer", both, db),
        smoother("Bora's solutions (hard) are smoother", "hard"),
        smoother("Narnhofer's solutions are smoother", "narnhofer"),
    ]  # fmt: skip


def _drawn(record: Mapping) -> list[Claim]:
    """What the curves of the poster show."""
    db, untuned = _by_place(record), _by_place(record, theory=True)
    spokes, noise = record["settings"]["spokes"], record["settings"]["noise"]
    sigma, low, few = (record["settings"][name] for name in ("sigma", "low", "noise_spokes"))
    least, most, clean = min(spokes), max(spokes), min(noise)

    def above(text: str, one: str, other: str, places) -> Claim:
        needed = [(method, *place) for place in places for method in (one, other)]
        return judge(text, needed, db, lambda: _compared(db, one, other, places), POSTER)

    def saturates(text: str, start: tuple, end: tuple) -> Claim:
        def test() -> tuple[bool, str]:
            flat, steep = (_gaps(db[(m, *end)], db[(m, *start)]) for m in ("hard", "covariance"))
            holds = mean(steep) > 0.5 and mean(flat) < mean(steep) / 3
            return holds, f"hard {_gain(flat)}, covariance {_gain(steep)}"

        return judge(text, [(m, *at) for m in ("hard", "covariance") for at in (start, end)], db, test, POSTER)

    def at_home(network: str, place: tuple, found: Mapping, weights: str) -> Claim:
        rivals = sorted({m for m, *at in found if tuple(at) == place and not m.startswith("vn-")})

        def test() -> tuple[bool, str]:
            best = max(rivals, key=lambda m: mean(found[(m, *place)]))
            gaps = _gaps(found[(network, *place)], found[(best, *place)])
            return mean(
                gaps
            ) > 0, f"{_spread(found[(network, *place)])}, {_gain(gaps)} to the best of the others, {best}"

        text = f"the network trained at {place[0]} spokes and noise {place[1]} is the best there, {weights}"
        return judge(text, [(network, *place), ("covariance", *place)], found, test, POSTER)

    def away(network: str, place: tuple, home: str) -> Claim:
        def test() -> tuple[bool, str]:
            gaps = _gaps(db[(network, *place)], db[("covariance", *place)])
            return mean(gaps) < -1, f"{_gain(gaps)} to covariance"

        text = f"the network trained at {home} is over 1 dB below covariance at {place[0]} spokes, noise {place[1]}"
        return judge(text, [(network, *place), ("covariance", *place)], db, test, POSTER)

    enough = [(s, level) for level in (sigma, low) for s in spokes if s >= 65]
    lower = [(s, low) for s in spokes if s >= few]
    loud = (few, max(noise))
    homes = {"vn-25-0.05": (25, 0.05), "vn-125-0.05": (125, 0.05), "vn-25-0.0125": (25, 0.0125)}
    return [
        saturates(
            f"restricted to the range, quality saturates from {few} to {most} spokes", (few, sigma), (most, sigma)
        ),
        saturates(f"and from noise {sigma} to {clean}", (few, sigma), (few, clean)),
        above("covariance is above diagonal from 65 spokes on", "covariance", "diagonal", enough),
        above("diagonal is above identity from 65 spokes on", "diagonal", "identity", enough),
        above(f"covariance is above diagonal at noise {low} from {few} spokes on", "covariance", "diagonal", lower),
        above(f"diagonal is above identity at noise {low} from {few} spokes on", "diagonal", "identity", lower),
        *(at_home(network, place, untuned, "if lam = 2 sigma^2 stays") for network, place in homes.items()),
        *(at_home(network, place, db, "if the others are tuned") for network, place in homes.items()),
        away("vn-25-0.05", (least, sigma), "25 spokes"),
        away("vn-125-0.05", (few, sigma), "125 spokes"),
        away("vn-25-0.05", loud, "noise 0.05"),
        away("vn-25-0.0125", (few, sigma), "noise 0.0125"),
        above(f"covariance is worse than identity at {least} spokes", "identity", "covariance", [(least, sigma)]),
        above(f"covariance is worse than hard at noise {loud[1]}", "hard", "covariance", [loud]),
        above(f"covariance is worse than Narnhofer's at noise {loud[1]}", "narnhofer", "covariance", [loud]),
    ]


def covariance_words(record: Mapping) -> str:
    """The claims, what is ours alone, and what limits the comparison."""
    claims = " ".join(f"{k}. {claim}" for k, claim in enumerate(covariance_claims(record), 1))
    slices = next(len(r["psnr"]) for r in record["rows"] if r["kind"] == "row")
    return (
        f"Ours: {slices} slices of one head, mean ± standard deviation over slices, which are not independent; "
        f"{Published.label}, so levels differ and shapes are compared. {claims} " + " ".join(covariance_notes(record))
    )


def covariance_notes(record: Mapping) -> list[str]:
    """Without the claims: the choice of the weight, time, memory, what had not converged, ends of grids."""
    rows = [r for r in record["rows"] if r["kind"] == "row"]
    words = []
    loud = max(record["settings"]["noise"])
    few = record["settings"]["noise_spokes"]
    db = {(r["method"], r["spokes"], r["sigma"]): mean(r["psnr"]) for r in rows}
    if ("identity", few, loud) in db and ("covariance", few, loud) in db:
        gap = db["covariance", few, loud] - db["identity", few, loud]
        words.append(f"Not published: covariance minus identity at noise {loud}, {gap:+.2f} dB.")
    for family in ("identity", "diagonal", "covariance"):
        mine = [r for r in rows if r["method"] == family]
        if mine:
            gain = mean([mean(r["psnr"]) - mean(r["theory"]["psnr"]) for r in mine])
            factors = sorted(r["factor"] for r in mine)
            words.append(
                f"Tuning the weight of {family} instead of taking 2 sigma^2 gains {gain:+.2f} dB on the mean; factors "
                f"from {factors[0]:.2g} to {factors[-1]:.2g}, median {factors[len(factors) // 2]:.2g}."
            )
    beaten = []
    for m in ("hard", "relaxed", "sparse", "narnhofer", "identity", "diagonal", "covariance"):
        common = [at for n, *at in db if n == m and ("tv", *at) in db and at[0] >= few]
        if common:
            above = sum(db[("tv", *at)] > db[(m, *at)] for at in common)
            beaten.append(f"{m} in {above} of {len(common)}")
    if beaten:
        words.append(f"TV is above, in the settings with {few} spokes or more: " + ", ".join(beaten) + ".")
    times = {}
    for r in rows:
        times.setdefault(r["method"], []).append(r["seconds_per_image"])
    words.append("Seconds an image, in the batch: " + ", ".join(f"{m} {mean(t):.2g}" for m, t in times.items()) + ".")
    for r in record["rows"]:
        if r["kind"] == "memory":
            kept = ", ".join(f"{m} {v:.3g}" for m, v in r["megabytes_per_image"].items())
            words.append(f"Megabytes that a gradient keeps for each image: {kept}.")
    # the adapted weights are stopped on purpose
    return words + limits([r for r in rows if r["method"] != "narnhofer"], rows)


def limits(solved: Sequence[Mapping], tuned: Sequence[Mapping]) -> list[str]:
    """What had not converged, and for what the grid of weights was too short."""
    words, early = [], {}
    for r in solved:
        if r.get("converged", 1) < 1:
            early.setdefault(r["method"], []).append(r["converged"])
    if early:
        parts = ", ".join(f"{m} {mean(found):.0%} (in {len(found)} settings)" for m, found in early.items())
        words.append(f"Runs that met the stopping rule within the budget, where not all did: {parts}.")
    edges = Counter(r["method"] for r in tuned if r.get("at_edge_of_grid"))
    if edges:
        parts = ", ".join(f"{m} {count}" for m, count in edges.items())
        words.append(f"Settings in which the best weight is the last that was tried: {parts}.")
    return words
