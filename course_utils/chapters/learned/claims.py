"""What the lectures say of learned reconstruction in general, and what the tables of this chapter say of it."""

from __future__ import annotations

from collections.abc import Mapping

from .denoising_words import convergence_claim
from .robust_claims import LECTURES, Claim
from .scans import HOME
from .tables import ahead, by_rival, places_in

__all__ = ["clearly", "plug_and_play_claim", "structure_claim"]

#: The network to which the operator is not told, and those that use it: once, or in every step.
WITHOUT, ONCE, OFTEN = "automap", "post-processing", ("proximal", "primal-dual", "lista")


def clearly(record: Mapping, rival: str, other: str, place: str = HOME) -> int:
    """1 if a rival is ahead of another at a place, -1 if it is behind, 0 if two standard errors of the mean difference
    over the images do not tell."""
    gap = ahead(record, rival, other, place)
    error = 2 * gap.std(ddof=1) / len(gap) ** 0.5
    return int(gap.mean() > error) - int(gap.mean() < -error)


def structure_claim(digits: Mapping) -> Claim:
    """“More structure, or information such as A, makes the approach more stable”: networks on the same pairs.

    The control is that all were trained on the same pairs; they differ in where the operator enters.
    """
    rows = by_rival(digits)
    gaps = {name: float(ahead(digits, name, WITHOUT).mean()) for name in (ONCE, *OFTEN)}
    places = [place for place in places_in(digits) if place in rows[WITHOUT]["places"] and place != HOME]
    won = {name: sum(clearly(digits, name, WITHOUT, place) > 0 for place in places) for name in (ONCE, *OFTEN)}
    at_home = {name: clearly(digits, name, WITHOUT) for name in (ONCE, *OFTEN)}
    often = all(at_home[name] > 0 and won[name] == len(places) for name in OFTEN)
    once = at_home[ONCE] > 0 and won[ONCE] == len(places)
    none = all(verdict <= 0 for verdict in at_home.values())
    words = "; ".join(
        f"{rows[name]['label']} {gaps[name]:+.1f} dB, ahead at {won[name]} of {len(places)} other places"
        for name in gaps
    )
    return Claim(
        "more structure or information, such as A, makes the approach more stable", LECTURES,
        "agrees" if often and once else "does not" if none else "agrees in part",
        f"Against AUTOMAP, which is not told A, at home: {words}.",
        "the same pairs, the same noise; that it then needs fewer data was not tested",
    )  # fmt: skip


def plug_and_play_claim(denoising: Mapping) -> Claim:
    """What the lectures say of plug-and-play, beside the others."""
    found = convergence_claim(denoising)
    return Claim(found["published"], LECTURES, found["verdict"], found["ours"], found["control"])
