"""Everything that the property tests run over.  Adding an operator, regulariser or generator is adding a line."""

from __future__ import annotations

import math

import torch

from course_utils import (
    L1,
    TV,
    GaussianBlur,
    GaussianMatrix,
    GeneratorConfig,
    Hard,
    Identity,
    Inpainting,
    MaskedFourier,
    MultiCoil,
    ParallelBeam,
    Relaxed,
    Sparse,
    SparseTV,
    StructuredConfig,
    StructuredVAE,
    Tikhonov,
    build,
    stack,
)
from course_utils.operators import cartesian_mask, radial_mask, simulate_coil_maps
from course_utils.regularisers import (
    Box,
    CriticLoss,
    EncoderDistance,
    GaussianMixture,
    HuberTV,
    ImageTV,
    Intermediate,
    Sphere,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _mask(size: int, columns: int, symmetric: bool) -> torch.Tensor:
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask[:, :columns] = symmetric
    mask[3, 5] = True
    return mask


def _blind_maps(size: int) -> torch.Tensor:
    """Two coils that see nothing near the border, as estimated maps do."""
    maps = simulate_coil_maps(size, 2)
    maps[:, :2] = maps[:, :, -1:] = 0
    return maps


OPERATORS = {
    "identity": lambda: Identity(12),
    "blur": lambda: GaussianBlur(12),
    "wide blur": lambda: GaussianBlur(12, width=11, std=3.0),
    "compressed sensing": lambda: GaussianMatrix(40, 12, seeded()),
    "more data than pixels": lambda: GaussianMatrix(200, 12, seeded()),
    "tomography": lambda: ParallelBeam(12, 20, 17),
    "limited angle": lambda: ParallelBeam(12, 7, 25, angular_range=math.pi / 3, detector_width=20.0),
    "inpainting": lambda: Inpainting(~_mask(12, 4, True)),
    "list of angles": lambda: ParallelBeam(12, angles=[-1.3, 0.0, 0.4, 2.0], n_detectors=17),
    "Fourier, columns": lambda: MaskedFourier(_mask(12, 4, True)),
    "Fourier, one frequency": lambda: MaskedFourier(_mask(12, 4, False)),
    "Fourier, spokes": lambda: MaskedFourier(radial_mask(12, 5)),
    "Fourier, random lines": lambda: MaskedFourier(cartesian_mask(12, 5, 2, seeded())),
    "coils, spokes": lambda: MultiCoil(radial_mask(12, 4), simulate_coil_maps(12, 3)),
    "coils, random lines": lambda: MultiCoil(cartesian_mask(12, 5, 3, seeded()), _blind_maps(12)),
    "composed": lambda: ParallelBeam(12, 7, 17) @ GaussianBlur(12),
    "scaled": lambda: 3 * GaussianBlur(12),
    "stacked": lambda: stack([GaussianBlur(12), GaussianMatrix(30, 12, seeded()), 2 * Identity(12)]),
    "one coil, one frequency": lambda: MultiCoil(_mask(12, 4, False), simulate_coil_maps(12, 1)),
}

PROXIMABLE = {"tikhonov": Tikhonov(0.0), "l1": L1(0.0), "tv": TV(0.0)}


def tiny(family: str = "ae", seed: int = 0, dtype: torch.dtype = torch.float64):
    """An untrained 28x28 generator with three latent dimensions, in float64: smooth enough for every test."""
    return build(GeneratorConfig(family, 3), seed=seed).to(dtype).freeze()


def tiny_structured(family: str = "covariance", width: int = 3, variety: float = 0.03) -> StructuredVAE:
    """An untrained 28x28 VAE, in float64, with a covariance that differs from pixel to pixel and from z to z."""
    G = build(StructuredConfig(family, 3, width=width if family == "covariance" else 1), seed=0).double()
    with torch.no_grad():
        for p in G.covariance_decoder.parameters():
            p += variety * torch.randn(p.shape, generator=seeded(1), dtype=p.dtype)
    return G.freeze()


#: name -> regulariser made from a generator and weights (numbers or (B,) tensors), and its solvers
GENERATIVE = {
    "hard": (lambda G, lam, mu: Hard(G, lam), ("paper", "lbfgs", "lm")),
    "relaxed": (Relaxed, ("paper", "reduced", "lbfgs", "lm", "alternating")),
    "sparse": (Sparse, ("paper", "warm")),
    "sparse-TV": (SparseTV, ("paper", "linearised")),
}
CLASSICAL = {
    "tikhonov": (Tikhonov, ("direct", "cg", "paper")),
    "tv": (TV, ("paper",)),
    "smooth tv": (lambda lam: HuberTV(lam, 0.1), ("lbfgs", "paper")),
}


def mixture(dim: int = 3, components: int = 2) -> GaussianMixture:
    """A mixture of Gaussians with full covariances, in float64."""
    draw = torch.randn(components, dim, dim + 1, generator=seeded(40), dtype=torch.float64)
    factors = draw[:, :, :dim]
    covariances = factors @ factors.mT + 0.2 * torch.eye(dim, dtype=torch.float64)
    weights = torch.arange(1.0, components + 1, dtype=torch.float64)
    return GaussianMixture(weights / weights.sum(), draw[:, :, dim], covariances)


#: name -> R_Z for a tiny WGAN of three latent dimensions
LATENT = {
    "box": lambda G: Box(0.7),
    "sphere": lambda G: Sphere(),
    "one Gaussian": lambda G: mixture(components=1),
    "mixture": lambda G: mixture(),
    "TV of the image": lambda G: ImageTV(0.05),
    "critic": CriticLoss,
}
#: name -> problem made from a generator and weights, and its solvers
VARIANTS = {
    "eq. (8)": (lambda G, lam, mu: Hard(G, lam), ("projected",)),
    "box": (lambda G, lam, mu: Hard(G, lam, Box(0.7)), ("constrained",)),
    "sphere": (lambda G, lam, mu: Hard(G, lam, Sphere()), ("constrained",)),
    "mixture": (lambda G, lam, mu: Hard(G, lam, mixture()), ("lbfgs", "paper")),
    "TV of the image": (lambda G, lam, mu: Hard(G, lam, ImageTV(0.05)), ("lbfgs", "paper")),
    "encoder distance": (lambda G, lam, mu: EncoderDistance(G, lam), ("lbfgs", "paper")),
    "intermediate": (Intermediate, ("lbfgs",)),
}
