"""Compressed sensing of MNIST digits: the table of Fig. 9."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import load
from ..generators import Generator
from ..metrics import nrmse, psnr
from ..operators import GaussianMatrix, Identity, measure
from ..regularisers import TV, Hard, Relaxed, Sparse, Tikhonov
from ..solvers import Dictionary, Result, reconstruct
from ..tuning import geometric, sweep
from ..zoo import pretrained

__all__ = ["GENERATORS", "compressed_sensing", "reconstruction_errors", "start_dictionary"]

GENERATORS = {"ae": "ae-mnist-8", "vae": "vae-mnist-8", "wgan": "wgan-mnist-8"}
GENERATIVE = {"hard": Hard, "relaxed": Relaxed, "sparse": Sparse}
#: Factor 1/4, as in the authors' code; the ranges hold every best value in their inside.
LAMBDAS = {
    "tikhonov": geometric(64.0, 1e-5, 0.25),
    "tv": geometric(0.256, 1e-4, 0.25),
    "hard": geometric(0.5, 1e-5, 0.25),
    "relaxed": geometric(2.0, 1e-4, 0.25),
    "sparse": geometric(2.0, 5e-3, 0.25),
}
MUS = {"relaxed": geometric(1.0, 1e-5, 0.25), "sparse": geometric(1.0, 1e-5, 0.25)}


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def start_dictionary(G: Generator, images: Tensor, seed: int = 2, size: int = 4096) -> Dictionary:
    """The shared starts of a generator: draws from the prior, or for an AE, which has none, encodings of ``images``.

    Parameters
    ----------
    G : Generator
    images : (N, 1, H, W) training images, N >= size; used for an AE only
    """
    return Dictionary(G, _seeded(seed), size, images=images if G.config.family == "ae" else None)


def _row(generator: str, method: str, weights: dict, result: Result, x: Tensor) -> dict:
    return {
        "generator": generator,
        "method": method,
        **weights,
        "psnr": [round(v, 3) for v in psnr(result.x, x).tolist()],
        "objective": [round(v, 5) for v in result.objective.tolist()],
        "iterations": result.iterations.tolist(),
        "ms_per_image": round(1e3 * result.seconds / len(x), 2),
    }


def compressed_sensing(
    m: int = 150, sigma: float = 0.05, n_val: int = 20, n_test: int = 100, by_paper: bool = True, log=print
) -> dict:
    """The table of Fig. 9: weights tuned by mean PSNR on validation images, evaluated on test images.

    Each row holds two runs with the same weights: ours (fast solver, shared dictionary start), and under
    "paper_..." (``by_paper``) the paper's algorithm from one random start with its stopping rule.
    """
    data = load("mnist")
    A = GaussianMatrix(m, 28, _seeded(0))
    x_val, x = data.val[:n_val], data.test[100 : 100 + n_test]
    y_val, y = measure(A, x_val, sigma, _seeded(1)), measure(A, x, sigma, _seeded(3))
    rows = []

    def finish(generator: str, method: str, make, tuned, **settings) -> None:
        weights = tuned.best
        row = _row(generator, method, weights, reconstruct(A, y, make(*weights.values()), **settings), x)
        if by_paper and method != "tv":
            start = {"start": "random", "generator": _seeded(4)} if generator != "none" else {}
            theirs = reconstruct(A, y, make(*weights.values()), solver="paper", **start)
            row["paper_psnr"] = [round(v, 3) for v in psnr(theirs.x, x).tolist()]
            row["paper_objective"] = [round(v, 5) for v in theirs.objective.tolist()]
            row["paper_iterations_mean"] = round(float(theirs.iterations.float().mean()), 1)
            row["paper_ms_per_image"] = round(1e3 * theirs.seconds / n_test, 1)
        row["val_psnr"] = round(float(tuned.psnr.mean(1).max()), 3)
        row["at_edge_of_grid"] = tuned.at_edge()
        rows.append(row)
        mean = torch.tensor(row["psnr"])
        log(f"{generator:5s} {method:9s} {weights}  {mean.mean():.2f} +- {mean.std():.2f} dB")

    for method, make in (("tikhonov", Tikhonov), ("tv", TV)):
        finish("none", method, make, sweep(A, y_val, x_val, make, LAMBDAS[method]))
    for family, name in GENERATORS.items():
        G = pretrained(name)
        starts = start_dictionary(G, data.train)
        for method, regulariser in GENERATIVE.items():

            def make(*weights, regulariser=regulariser, G=G):
                return regulariser(G, *weights)

            # Algorithm 3 creeps where lambda is far too small; a sweep need not follow it to the end.
            budget = {"max_iter": 150, "tol": 1e-5} if method == "sparse" else {}
            tuned = sweep(A, y_val, x_val, make, LAMBDAS[method], MUS.get(method), start=starts, **budget)
            finish(family, method, make, tuned, start=starts)
    settings = {
        "m": m, "sigma": sigma, "n_val": n_val, "n_test": n_test, "test_images": [100, 100 + n_test],
        "seeds": {"A": 0, "noise_val": 1, "dictionary": 2, "noise_test": 3, "random_start": 4},
        "lambda_grid": LAMBDAS, "mu_grid": MUS, "psnr_data_range": 1,
    }  # fmt: skip
    return {"settings": settings, "rows": rows}


def reconstruction_errors(n_test: int = 10_000, log=print) -> dict:
    """NRMSE of min_z ||G(z) - x||, eq. (9), for every test image and generator (MNIST part of Fig. 1).

    AE and VAE start at the encoding, as in the paper.  The GAN takes the four best of a shared dictionary of
    prior draws, chosen by objective (the paper: four random starts).
    """
    data = load("mnist")
    x, A = data.test[:n_test], Identity(28)
    rows = []
    for family, name in GENERATORS.items():
        G = pretrained(name)
        how = (
            {"start": "encoder", "x0": x}
            if G.has_encoder
            else {"start": "dictionary", "n_starts": 4, "generator": _seeded(2)}
        )
        result = reconstruct(A, x, Hard(G, lam=0.0), batch_size=128, **how)
        errors = nrmse(result.x, x)
        row = {
            "generator": family,
            "nrmse": [round(v, 4) for v in errors.tolist()],
            "starts": how.get("n_starts", 1),
        }
        row |= {
            "ms_per_image": round(1e3 * result.seconds / n_test, 2),
            "converged": float(result.converged.float().mean()),
        }
        if G.has_encoder:
            with torch.no_grad():
                encoded = torch.cat([G(G.encode(part)) for part in x.split(512)])
            row["nrmse_encoding"] = [round(v, 4) for v in nrmse(encoded, x).tolist()]
        rows.append(row)
        log(f"{family}: median NRMSE {errors.median():.3f}, {row['ms_per_image']:.1f} ms per image")
    settings = {"n_test": n_test, "seeds": {"dictionary": 2}, "psnr_data_range": 1}
    return {"settings": settings, "rows": rows}
