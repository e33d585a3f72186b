"""What the stored records of tomography show: Figs. 10 and 11 and fewer views, and words beside the paper's."""

from __future__ import annotations

import torch

from ...data.load import load
from ...figures.labels import label
from ...metrics import RANGE_2_OFFSET_DB
from ...reproduce.setting import mean
from ...training.zoo import available, card
from .figures import PAPER_COST, deviation_figure, table_and_examples
from .figures import views_figure as draw_views

__all__ = ["SHAPES_GENERATORS"]


SHAPES_GENERATORS = {"ae": "ae-shapes-10", "vae": "vae-shapes-10", "wgan": "wgan-shapes-10"}


def missing_words() -> str:
    """One sentence that names the generators that are not shipped, or nothing."""
    absent = [name for name in SHAPES_GENERATORS.values() if name not in available()]
    return f" Not shipped, so not in the table: {', '.join(absent)}." if absent else ""


#: Of the authors' code: the noise level of the Shapes VAE, root of half its KL factor 0.01, and the steps of its GAN.
PAPER_RHO, PAPER_GAN_STEPS = 0.005**0.5, 30_000


def generator_words() -> str:
    """How the generators of the tables were trained, beside the authors': noise level of the VAE, steps of the GAN."""
    words = []
    if "vae-shapes-10" in available():
        about = card("vae-shapes-10")
        rho = about["model"]["rho"]
        near = abs(rho / PAPER_RHO - 1) < 0.05
        words.append(
            f"The Shapes VAE of this chapter has the noise level rho = {rho:g}, "
            + (
                f"as in the authors' code ({PAPER_RHO:.4f})."
                if near
                else f"{rho / PAPER_RHO:.1f} times that of the authors' code ({PAPER_RHO:.4f}): it is another VAE than "
                f"the paper's. With a larger rho G fits an image less closely and its codes are nearer to N(0, I)."
            )
        )
        if "standardised_by" in about["report"]:
            words.append("Its latent variables were standardised after the training (chapters 03 and 04).")
    if "wgan-shapes-10" in available():
        report = card("wgan-shapes-10")["report"]
        steps = report.get("kept_step", report["steps"])
        words.append(
            f"The Shapes GAN was trained for {steps:,} steps of its generator, the authors' for {PAPER_GAN_STEPS:,}"
            + ("; it is undertrained, so its row says little about GANs." if steps < 0.9 * PAPER_GAN_STEPS else ".")
        )
    return " ".join(words)


def fig10_figure(record: dict):
    """PSNR of every test image, and examples."""
    return table_and_examples(record, load("shapes").test)


def fig10_story(record: dict) -> str:
    """The table in words, beside what the paper's text says."""
    table = {(r["generator"], r["method"]): r for r in record["rows"]}
    db = {key: mean(r["psnr"]) for key, r in table.items()}
    tv, best = db["none", "tv"], max(db, key=db.get)
    against = ", ".join(f"{label(table[k])} {db[k] - tv:+.1f}" for k in db if k[0] != "none")
    counts = "; ".join(
        f"{label(table[k])} {table[k]['paper_iterations_mean']:.0f} (paper {PAPER_COST[k[1]][0]})"
        for k in (("none", "tikhonov"), ("vae", "hard"), ("vae", "relaxed"))
        if k in table
    )
    return (
        f"TV has {tv:.1f} dB, Tikhonov {db['none', 'tikhonov']:.1f}, FBP {db['none', 'fbp']:.1f}; the best is "
        f"{label(table[best])} with {db[best]:.1f} dB. Against TV, in dB, from the shared dictionary: {against}. The "
        f"paper's text calls AE and VAE competitive with TV and the GAN particularly poor. Iterations of the paper's "
        f"algorithms from one random start: {counts}.{missing_words()} (PSNR with range 1; with range 2, as in the "
        f"authors' code, add {RANGE_2_OFFSET_DB:.2f} dB.)"
    )


def views_figure(record: dict):
    """Mean PSNR against views and range, and the singular values."""
    return draw_views(record)


def views_story(record: dict) -> str:
    """Where the null space bites, and where the range of G does, in words."""
    rows = [r for r in record["rows"] if r["kind"] == "row"]
    seen = {r["geometry"]: r for r in record["rows"] if r["kind"] == "geometry"}
    said = []
    for sigma in sorted({r["sigma"] for r in rows}, reverse=True):
        parts = []
        for geometry in dict.fromkeys(r["geometry"] for r in rows):
            db = {label(r): mean(r["psnr"]) for r in rows if (r["geometry"], r["sigma"]) == (geometry, sigma)}
            best = max((name for name in db if name.startswith("VAE")), key=db.get)
            parts.append(f"{geometry} TV {db['TV']:.1f}, {best} {db[best]:.1f}")
        said.append(f"sigma = {sigma:g}, mean PSNR in dB: " + "; ".join(parts) + ".")
    above = ", ".join(f"{geometry} {row['above']['0.01']}" for geometry, row in seen.items())
    said.append(f"Singular values above 0.01, of 3136: {above}.")
    best_fit = [mean(r["psnr"]) for r in record["rows"] if r["kind"] == "ceiling"]
    if best_fit:
        said.append(f"The best fits of the range of the VAE to the same images have {best_fit[0]:.1f} dB on average.")
    return " ".join(said)


def fig11_figure(record: dict):
    """Truth, TV, sparse-TV, and which part of it the generator drew."""
    return deviation_figure(record, load("shapes+").test)


def fig11_story(record: dict) -> str:
    """Ours and the paper's numbers, in both conventions of PSNR."""
    table = {r["method"]: r for r in record["rows"] if r["sigma"] == 0.05}
    words = []
    for method, paper in (("sparse-tv", "32.83 ± 0.65"), ("tv", "32.01 ± 0.67")):
        db = torch.tensor(table[method]["psnr"])
        words.append(
            f"{label(table[method])} {db.mean():.2f} ± {db.std():.2f} dB with range 1, "
            f"{db.mean() + RANGE_2_OFFSET_DB:.2f} with range 2 (paper, range 2: {paper})"
        )
    kept = ", ".join(f"{label(r)} {100 * mean(r['contrast']):.0f}" for r in table.values())
    difference = torch.tensor(table["sparse-tv"]["psnr"]) - torch.tensor(table["tv"]["psnr"])
    return (
        "; ".join(words) + f". Sparse-TV minus TV: {difference.mean():+.2f} dB, better on "
        f"{100 * float((difference > 0).float().mean()):.0f} per cent of the images (paper: +0.82 dB). Hard, which "
        f"cannot draw the spot: {mean(table['hard']['psnr']):.1f} dB; sparse with the 1-norm: "
        f"{mean(table['sparse']['psnr']):.1f} dB. Contrast of the spot that is left, in per cent: {kept}. "
        f"{hiding_words(table)} {weighted_words(record)}"
    )


def hiding_words(table: dict) -> str:
    """Whether PSNR puts the method that hides the spot before TV, which shows some of it."""
    db, kept = ({m: mean(table[m][name]) for m in ("hard", "tv")} for name in ("psnr", "contrast"))
    if db["hard"] > db["tv"] and kept["hard"] < kept["tv"]:
        return "PSNR prefers hard, which hides the spot, to TV, which shows part of it."
    return "PSNR does not prefer hard, which hides the spot, to TV."


def weighted_words(record: dict) -> str:
    """Which reading of "norm 1" fits the paper's numbers."""
    tv = {r["sigma"]: mean(r["psnr"]) + RANGE_2_OFFSET_DB for r in record["rows"] if r["method"] == "tv"}
    plain = tv.pop(0.05)
    ((sigma, weighted),) = tv.items()
    nearer = "plain" if abs(plain - 32.01) < abs(weighted - 32.01) else "weighted"
    return (
        f"If the paper's norm of A were meant with weights for cell sizes, its noise would be {sigma:.4f} in our "
        f"units, and TV would reach {weighted:.1f} dB with range 2; with the plain norm {plain:.1f}. The {nearer} "
        f"reading is nearer to the paper's 32.01."
    )
