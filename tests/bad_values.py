"""What the test of bad calls knows: a good value for every parameter of the library, and bad values of every kind.

Parameters are recognised by their annotation (``KIND``), or by their name where that says more (``NAMED``).  A good
value goes by the name of the parameter (``GOOD``), unless a function wants another one (``OWN``).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from home_networks import SMALL
from registry import seeded
from torch import nn

import course_utils as C
from course_utils import bayes, bilevel, choosing, denoisers, regularisers, training
from course_utils.generators import FlowMatching, ImageDiffusion, ImagePriorConfig, cosine_schedule
from course_utils.generators.diffusion import Diffusion
from course_utils.generators.flow import Flow
from course_utils.reconstructors import RadialConfig, UNet
from course_utils.regularisers.objective import SQUARED


@cache
def built(what: str):
    """What is shared by all calls, made once."""
    return {
        "A": lambda: C.GaussianBlur(28),
        "beam": lambda: C.ParallelBeam(28, 4, 41),
        "coils": lambda: C.MultiCoil(C.radial_mask(16, 5), C.simulate_coil_maps(16, 2)),
        "vae": lambda: C.build(C.GeneratorConfig("vae", 2), seed=0).freeze(),
        "wgan": lambda: C.build(C.GeneratorConfig("wgan", 2), seed=0).freeze(),
        "structured": lambda: C.build(C.StructuredConfig("covariance", 2, width=3), seed=0).freeze(),
        "starts": lambda: C.Dictionary(built("vae"), seeded(), size=8),
        "mnist": lambda: C.load("mnist"),
        "shapes": lambda: C.load("shapes").test[:2],
        "problem": lambda: C.Tikhonov(0.1).problem(built("A"), images()),
        "path": lambda: choosing.solution_path(built("A"), images(), C.Tikhonov, [0.01, 0.1, 1.0, 10.0]),
        "freedom": lambda: choosing.degrees_of_freedom(built("path")),
        "posterior": lambda: bayes.LogPosterior(built("A"), images(1), regularisers.HuberTV(0.5), 0.5),
        "diffusion": lambda: ImageDiffusion(prior_config("image-diffusion")).freeze(),
        "flow": lambda: FlowMatching(prior_config("flow-matching")).freeze(),
        "lower": lambda: bilevel.SmoothTV(images(2, 6).double(), nu=0.1, xi=0.1),
        "bilevel": lambda: bilevel.Bilevel(built("lower"), images(2, 6).double().round()),
        "network": lambda: C.build(RadialConfig(28, 5, 0.1, steps=1, filters=2), seed=0),
        "unet": lambda: UNet(channels=2, levels=2, noise_level=True),
        "unrolled": lambda: C.build(SMALL["LearnedProximal"](), seed=0).freeze(),
        "ridge": lambda: C.build(ridge(), seed=0).freeze(),
        "denoiser": lambda: C.build(denoiser_config("residual denoiser"), seed=0).freeze(),
    }[what]()


def prior_config(family: str) -> ImagePriorConfig:
    return ImagePriorConfig(family, widths=(8, 16), steps=3)


def denoiser_config(family: str) -> denoisers.DenoiserConfig:
    return denoisers.DenoiserConfig(family, size=28, filters=4, layers=2)


def ridge() -> regularisers.RidgeConfig:
    return regularisers.RidgeConfig(size=28, filters=2, width=3)


#: Of the networks that are trained on bad reconstructions.
HOME = {"size": 28, "n_angles": 4, "filters": 2}


def images(n: int = 2, size: int = 28) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=seeded(1))


def points(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(2))


def kspace(coils: int = 2) -> torch.Tensor:
    return torch.fft.fft2(C.simulate_coil_maps(16, coils) * images(1, 16)[0])


def config(**other) -> training.TrainConfig:
    return training.TrainConfig(steps=1, batch_size=2, validate_every=1, **other)


#: Name of a parameter -> a good value, made anew for each call.
GOOD = {
    "A": lambda: built("A"), "B": lambda: built("A"), "G": lambda: built("vae"), "y": images, "x": images,
    "z": lambda: points(2, 2), "generator": seeded, "truth": images, "size": lambda: 28, "mask": lambda: mask(),
    "m": lambda: 4, "n": lambda: 2, "n_tests": lambda: 2, "n_iter": lambda: 2, "seed": lambda: 0, "width": lambda: 3,
    "std": lambda: 1.0, "n_angles": lambda: 4, "n_detectors": lambda: 41, "angular_range": lambda: 1.5,
    "detector_width": lambda: 50.0, "angles": lambda: [0.0, 0.5], "sigma": lambda: 0.5, "counts": lambda: 50.0,
    "lines": lambda: 9, "centre": lambda: 3, "spokes": lambda: 5, "coils": lambda: 2, "kspace": kspace,
    "threshold": lambda: 0.5, "maps": lambda: C.simulate_coil_maps(16, 2), "filter": lambda: "hann",
    "cutoff": lambda: 0.5, "offsets": lambda: np.array([0.0, 0.5]), "images": images, "factor": lambda: 2.0,
    "operators": lambda: [built("A"), built("A")], "shape_in": lambda: (1, 28, 28), "shape_out": lambda: (4,),
    "scale": lambda: 1.0, "norm": lambda: 1.0,
    "bin_width": lambda: 1.0, "q": lambda: points(2, 2, 28, 28), "weights": lambda: points(4),
    "name": lambda: "mnist", "full": lambda: False, "data_range": lambda: 1.0, "config": lambda: built("vae").config,
    "family": lambda: "vae", "latent_dim": lambda: 2, "variant": lambda: "lean", "head": lambda: "conv",
    "rho": lambda: 0.5, "dropout": lambda: 0.25, "n_out": lambda: 2, "real": lambda: images(40),
    "fake": lambda: images(40), "critic": lambda: built("wgan").critic, "mean": lambda: points(2, 2),
    "log_std": lambda: points(2, 2), "module": lambda: nn.Linear(2, 2),
    "settings": lambda: {"family": "ae", "latent_dim": 2},
    "log_diagonal": lambda: points(1, 1, 4, 4), "coefficients": lambda: points(1, 4, 4, 4), "steps": lambda: 2,
    "filters": lambda: 2, "nodes": lambda: 3, "reach": lambda: 1.0, "lam": lambda: 0.5, "mu": lambda: 0.5,
    "bounds": lambda: (0.0, 1.0), "bound": lambda: 1.0, "radius": lambda: 1.0, "epsilon": lambda: 0.5,
    "means": lambda: torch.zeros(1, 2), "covariances": lambda: torch.eye(2)[None], "layer": lambda: 1,
    "R_Z": regularisers.Box, "background": lambda: 0.5, "log_det_weight": lambda: 0.5, "tau": lambda: 0.5,
    "dual": lambda: torch.zeros(2, 2, 28, 28), "tol": lambda: 0.5, "max_iter": lambda: 1,
    "objective": lambda: built("problem"), "solver": lambda: "auto", "fidelity": lambda: SQUARED,
    "method": lambda: C.Tikhonov(0.5), "R": lambda: C.Tikhonov(0.5), "start": lambda: "encoder", "n_starts": lambda: 1,
    "x0": images, "batch_size": lambda: 8, "trace": lambda: False, "pairs": lambda: 4, "descend": lambda: 2,
    "delta": lambda: 0.5, "kind": lambda: "network", "rank": lambda: 1, "needs": lambda: bool, "fast": lambda: bool,
    "view": lambda: bool, "general": lambda: "", "first_image": lambda: False,
    "model": lambda: C.build(C.GeneratorConfig("ae", 2), 0),
    "train": lambda: images(4), "lr": lambda: 0.5, "betas": lambda: (0.5, 0.5), "cosine": lambda: True,
    "ema": lambda: 0.5, "critic_steps": lambda: 1, "validate_every": lambda: 1, "patience": lambda: 1,
    "keep": lambda: "last", "data": lambda: built("mnist"), "augmented": lambda: False,
    "turned": lambda: False, "standardised": lambda: False,
    "labelled": lambda: False, "labels": lambda: (torch.zeros(4, dtype=torch.int64),) * 2, "sure": lambda: 0.5,
    "overlap": lambda: 0.5, "classes": lambda: 3,
    "device": lambda: "cpu", "verbose": lambda: False, "folder": lambda: training.zoo.FOLDER, "val": images,
    "progress": lambda: False, "on_validation": lambda: None, "finish": lambda: False,
    "change": lambda: training.trainer.augment,
    "stop": lambda: 2.0, "make": lambda: C.Tikhonov, "validation": lambda: (images(), images()), "tuning": dict,
    "running": dict, "blur": lambda: 0.5, "level": lambda: 0.5, "a": lambda: points(8, 2), "b": lambda: points(8, 2),
    "other": lambda: images(8), "permutations": lambda: 2, "reference": images, "radii": lambda: [1.0, 2.0],
    "z0": lambda: points(2, 2), "z1": lambda: points(2, 2), "draws": lambda: 2, "widen": lambda: 1.0, "among": images,
    "d": lambda: 3, "n_search": lambda: 20, "foreign": lambda: images(20), "grey": lambda: 0.5,
    "alpha1": lambda: [0.5], "alpha2": lambda: [0.5], "content": dict, "seconds": lambda: 1.0, "record": dict,
    "made": dict, "dim": lambda: 2, "hidden": lambda: 2, "layers": lambda: 1, "t": lambda: torch.tensor([1, 2]),
    "k": lambda: 1, "v": lambda: points(1, 1, 4, 4), "e": lambda: points(1, 1, 4, 4), "row": lambda: 0,
    "column": lambda: 0,
    "solutions": lambda: built("path"), "freedom": lambda: built("freedom"), "window": lambda: 3, "each": lambda: True,
    "step": lambda: 0.5, "S": lambda: torch.tensor([1.0, 0.5]), "phi": lambda: torch.ones(784), "nu": lambda: 0.5,
    "deltas": lambda: [0.1, 0.05], "w": lambda: images(1), "prior": lambda: "identity",
    "posterior": lambda: built("posterior"), "log_density": lambda: normal_density, "burn_in": lambda: 2,
    "root": lambda: torch.eye(4), "thin": lambda: 2, "samples": lambda: points(8, 2, 3), "low": lambda: points(2, 3),
    "high": lambda: points(2, 3), "lesion": lambda: images() > 0.5, "around": lambda: images() <= 0.5,
    "subsets": lambda: 2, "beta": lambda: 0.5, "levels": lambda: 1, "index": lambda: [0, 2],
    "p": images, "first": lambda: torch.zeros(2, 1, 28, 28), "budget": lambda: 0.5, "budgets": lambda: [0.5, 1.0],
    "lesioned": images, "template": images, "alignment": lambda: 0.5, "methods": lambda: {"mine": C.Tikhonov(0.5)},
    "perturbations": lambda: {"mine": images()}, "vae": lambda: built("vae"), "n_components": lambda: 2,
    "names": lambda: "mine", "image_shape": lambda: (1, 1, 2), "alpha_bar": lambda: cosine_schedule(3),
    "spread": lambda: 0.5, "widths": lambda: (8, 16), "patch": lambda: 2, "eta": lambda: 0.5,
    "time": lambda: torch.tensor([0.0, 0.5]), "mixture": lambda: mixture(), "zeta": lambda: 0.5, "alpha": lambda: 0.5,
    "average": lambda: 1, "covariance": lambda: torch.eye(3), "home": lambda: SMALL["LISTA"]().home,
    "channels": lambda: 2, "memory": lambda: 2, "matrix": lambda: True, "in_channels": lambda: 2,
    "out_channels": lambda: 2, "noise_level": lambda: True, "f": lambda: torch.cos, "of": lambda: "radius",
    "D": lambda: torch.sin, "kernel": lambda: points(2, 2, 3, 3), "denoiser": lambda: built("denoiser"),
    "sigma_min": lambda: 0.1, "sigma_max": lambda: 0.5, "falling": lambda: 2, "scheme": lambda: "gradient",
    "halvings": lambda: 1, "penalty": lambda: 0.5, "strong": lambda: 0.5, "network": lambda: built("ridge"),
    "lower": lambda: built("lower"), "problem": lambda: built("bilevel"), "theta": lambda: theta(),
    "theta0": lambda: theta(), "weight": lambda: 0.5, "hvp": lambda: lambda v: 2 * v,
    "q0": lambda: images(2, 6).double(), "cg_tol": lambda: 0.5, "cg_iter": lambda: 2, "gtol": lambda: 0.5,
    "max_evals": lambda: 4, "max_lower": lambda: 10, "max_steps": lambda: 2, "warm": lambda: True,
    "residuals": lambda: bilevel.Residuals(built("bilevel")), "accuracy": lambda: 0.5, "radius_end": lambda: 0.5,
    "critical": lambda: 0.5, "per_radius": lambda: 0.5, "eps": lambda: 0.5, "schedule": lambda: "cubic",
    "convexity": lambda: 0.5, "xi": lambda: 0.5,
}  # fmt: skip


def bowl(v: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """A function of v and theta with one minimum."""
    return (v.square() + theta[:, :1] * v).sum(1)


def theta() -> torch.Tensor:
    return torch.tensor([-1.0], dtype=torch.float64)


def normal_density(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return -0.5 * x.flatten(1).pow(2).sum(1), -x


def mask() -> torch.Tensor:
    return C.radial_mask(16, 5)


#: (Function, parameter) -> a good value of its own.
OWN = {
    ("measure", "x"): images, ("fbp", "A"): lambda: built("beam"),
    ("fbp", "y"): lambda: images()[:, 0, :4, :1].expand(2, 4, 41),
    ("back_project", "A"): lambda: built("beam"), ("back_project", "q"): lambda: torch.zeros(2, 4, 41),
    ("ramp_filter", "n"): lambda: 64, ("view_weights", "angles"): lambda: torch.tensor([0.0, 0.5]),
    ("line_lengths", "size"): lambda: 4, ("estimate_coil_maps", "width"): lambda: 6,
    ("estimate_coil_maps", "mask"): lambda: torch.ones(16, 16, dtype=torch.bool),
    ("g_factor", "images"): lambda: "real", ("g_factor", "every"): lambda: 2,
    ("root_sum_of_squares", "images"): lambda: kspace()[None], ("zero_filled", "A"): lambda: built("coils"),
    ("zero_filled", "y"): lambda: built("coils")(images(2, 16)), ("cartesian_mask", "size"): lambda: 16,
    ("poisson_noise", "y"): images, ("StructuredConfig", "family"): lambda: "covariance",
    ("StructuredVAE", "config"): lambda: built("structured").config, ("WGAN", "config"): lambda: built("wgan").config,
    ("AE", "config"): lambda: C.GeneratorConfig("ae", 2), ("reconstruct", "method"): lambda: C.Hard(built("vae"), 0.5),
    ("reconstruct", "solver"): lambda: "lbfgs", ("RadialConfig", "family"): lambda: "variational network",
    ("RadialNetwork", "config"): lambda: RadialConfig(28, 5, 0.1, steps=1, filters=2),
    **{(network, "config"): make for network, make in SMALL.items()},
    **{(f"{network}Config", "family"): lambda make=make: make().family for network, make in SMALL.items()},
    ("LearnedProximal", "A"): lambda: built("unrolled").trained_with, ("LearnedProximal", "y"): lambda: points(2, 4),
    ("anderson", "f"): lambda: lambda x, rows: x.cos(), ("contraction", "n_iter"): lambda: 2,
    ("contraction", "f"): lambda: torch.cos, ("LearnedRegulariser", "network"): lambda: built("ridge"),
    ("PnPHalfQuadratic", "first"): lambda: 0.5,
    ("UNet", "sigma"): lambda: 0.5, ("LISTAConfig", "width"): lambda: 3, ("UNet", "levels"): lambda: 2,
    ("CriticLoss", "critic"): lambda: built("wgan"),
    ("LearnedCovariance", "G"): lambda: built("structured"), ("GaussianMixture", "weights"): lambda: torch.ones(1),
    ("tv_prox", "tau"): lambda: torch.ones(2), ("solves", "kind"): lambda: type, ("solves", "name"): lambda: "mine",
    ("family", "config"): lambda: type, ("Recipe", "train"): config, ("Recipe", "model"): lambda: built("vae").config,
    ("Recipe", "data"): lambda: "mnist", ("Recipe", "images"): lambda: 10,
    ("Recipe", "mean"): lambda: "vae-mnist-8", ("train", "config"): config,
    ("train", "images"): lambda: images(4), ("train", "folder"): lambda: None, ("card", "name"): lambda: "vae-mnist-8",
    ("pretrained", "name"): lambda: "vae-mnist-8", ("sweep", "lam"): lambda: [0.5], ("sweep", "mu"): lambda: None,
    ("tuned_run", "lam"): lambda: [0.5, 1.0], ("tuned_run", "mu"): lambda: None, ("geometric", "start"): lambda: 0.5,
    ("classifier_test", "blur"): lambda: 0.5, ("duplicate_threshold", "x"): lambda: images(8),
    ("duplicate_threshold", "n"): lambda: 8,
    ("emd_floor", "x"): lambda: images(8), ("nearest", "x"): images, ("shape_parameters", "x"): lambda: built("shapes"),
    ("range_errors", "solver"): lambda: "lbfgs", ("score_card", "n"): lambda: 100,
    ("score_card", "name"): lambda: "mine", ("triangle", "z"): lambda: points(3, 2),
    ("support_size", "x"): lambda: images(4), ("frechet_distance", "a"): lambda: points(8, 2),
    ("load_result", "name"): lambda: "fig9", ("save_result", "name"): lambda: "mine", ("augment", "x"): images,
    ("quarter_turns", "x"): images,
    ("Diffusion.add_noise", "x"): lambda: points(2, 2), ("LearnedCovariance.joint", "z"): lambda: points(2, 2),
    ("objective_of", "solver"): lambda: "cg", ("gradient_penalty", "real"): lambda: images(2),
    ("gradient_penalty", "fake"): lambda: images(2),
    ("ParallelBeam", "n_detectors"): lambda: 41,
    ("reconstruct", "start"): lambda: torch.zeros(2, 2),
    ("ParallelBeam", "n_angles"): lambda: 4, ("s_rec", "pairs"): lambda: 4, ("s_rec", "descend"): lambda: 2,
    ("s_rec", "max_iter"): lambda: 1, ("log_likelihood", "draws"): lambda: 2, ("erase", "mask"): lambda: images() > 0.5,
    ("spectral_norm", "A"): lambda: C.Identity(8), ("duplicate_threshold", "level"): lambda: 0.5,
    ("TV.prox", "max_iter"): lambda: 1, ("TGV.prox", "max_iter"): lambda: 1, ("StructuredConfig", "width"): lambda: 3,
    ("Diffusion", "x"): lambda: points(2, 2), ("Flow", "x"): lambda: points(2, 2), ("Diffusion", "steps"): lambda: 3,
    (".best", "objective"): lambda: C.Hard(built("vae"), 0.5).problem(built("A"), images()),
    (".__call__", "start"): lambda: "encoder",
    (".prox", "start"): lambda: "encoder", (".covariance_of", "row"): lambda: 1,
    ("MultiCoil", "x"): lambda: images(2, 16),
    ("solution_path", "lam"): lambda: [0.5, 1.0], ("LogPosterior", "y"): lambda: images(1),
    ("convergence_rate", "method"): lambda: "tikhonov", ("mala", "n"): lambda: 8,
    ("mala", "x0"): lambda: points(2, 1, 2, 2), ("coverage", "truth"): lambda: points(2, 3),
    ("latent_draws", "z"): lambda: points(8, 2), ("two_shapes", "x"): lambda: built("shapes"),
    ("latents_of", "x"): images, ("latent_draws", "steps"): lambda: 2,
    ("ImageDiffusion", "config"): lambda: prior_config("image-diffusion"), ("ImageDiffusion", "x"): images,
    ("FlowMatching", "config"): lambda: prior_config("flow-matching"), ("FlowMatching", "x"): images,
    ("FlowMatching", "t"): lambda: torch.tensor([0.0, 0.5]), ("FlowMatching", "method"): lambda: "euler",
    ("ImagePriorConfig", "family"): lambda: "flow-matching", ("ImagePriorConfig", "patch"): lambda: 2,
    ("ImageDiffusion", "steps"): lambda: 2, ("MixtureScore", "x"): lambda: points(2, 1, 1, 2).double(),
    ("MixtureVelocity", "x"): lambda: points(2, 1, 1, 2).double(),
    ("MixtureVelocity", "t"): lambda: torch.tensor([0.0, 0.5]).double(),
    ("MixtureVelocity", "method"): lambda: "euler", ("mixture_posterior", "A"): lambda: C.Identity(1),
    ("mixture_posterior", "y"): lambda: images(1, 1), ("mixture_posterior", "mixture"): lambda: mixture(1),
    ("DPS", "model"): lambda: built("diffusion"), ("DiffPIR", "model"): lambda: built("diffusion"),
    ("PnPFlow", "model"): lambda: built("flow"), ("PosteriorSampler", "model"): lambda: built("diffusion"),
    ("calibration", "samples"): lambda: points(8, 3), ("calibration", "mean"): lambda: points(3),
    ("data_prox", "rho"): lambda: 0.5, ("DPS", "steps"): lambda: 2, ("DiffPIR", "steps"): lambda: 2,
    ("PosteriorSampler", "steps"): lambda: 2, ("PnPFlow", "alpha"): lambda: 0.5,
    ("DenoiserConfig", "family"): lambda: "residual denoiser", ("DenoiserConfig", "layers"): lambda: 2,
    ("DenoiserConfig", "filters"): lambda: 4,
    ("ResidualDenoiser", "config"): lambda: denoiser_config("residual denoiser"),
    ("LipschitzDenoiser", "config"): lambda: denoiser_config("lipschitz denoiser"),
    ("GradientStepDenoiser", "config"): lambda: denoiser_config("gradient-step denoiser"),
    ("torus_norm", "size"): lambda: (8, 8), ("torus_bound", "size"): lambda: (8, 8),
    ("AdversarialConfig", "family"): lambda: "adversarial regulariser",
    ("InputConvexConfig", "family"): lambda: "input-convex regulariser",
    ("NETTConfig", "family"): lambda: "network Tikhonov", ("RidgeConfig", "family"): lambda: "ridge regulariser",
    ("AdversarialRegulariser", "config"): lambda: regularisers.AdversarialConfig(**HOME),
    ("InputConvexRegulariser", "config"): lambda: regularisers.InputConvexConfig(**HOME),
    ("NETTRegulariser", "config"): lambda: regularisers.NETTConfig(**HOME), ("RidgeRegulariser", "config"): ridge,
    ("profile", "t"): lambda: points(1, 2, 4, 4),
    ("latent_spread", "z"): lambda: points(8, 2), ("feature_network", "size"): lambda: 28,
    ("hallucinate", "lesion"): lambda: images() > 0.7, ("hallucinate", "around"): lambda: images() < 0.3,
    **{(name, what): lambda: 1 for name in ("attack", "erase", "hallucinate") for what in ("steps", "draws")},
    ("FourierSampling", "y"): lambda: torch.fft.fft(points(2, 8)), ("SmoothTV", "A"): lambda: built("A"),
    ("Bilevel", "truth"): lambda: images(2, 6).double(), ("solve_hessian", "q0"): lambda: points(2, 3),
    ("solve_hessian", "b"): lambda: points(2, 3), ("solve_hessian", "tol"): lambda: 0.5,
    **{
        (name, parameter): value
        for name in ("solve_lower", "hypergradient", "unrolled_gradient", "learn_lbfgsb", "maid", "hoag", "Residuals")
        for parameter, value in (("x0", lambda: images(2, 6).double()), ("method", lambda: "gd"))
    },
    **{(name, "step"): lambda: 0.1 for name in ("solve_lower", "maid", "hoag")},
    **{
        (name, bound): value
        for name in ("learn_lbfgsb", "dynamic_dfo", "maid", "hoag")
        for bound, value in (("low", lambda: [-2.0]), ("high", lambda: [1.0]))
    },
    ("Residuals.__call__", "delta"): lambda: 0.5, ("FieldOfExperts", "filters"): lambda: 2,
    ("FieldOfExperts", "size"): lambda: 3, ("solve_lower", "tol"): lambda: 0.5,
    ("solve_lower", "max_iter"): lambda: 50, ("hypergradient", "tol"): lambda: 0.5,
    ("hypergradient", "max_iter"): lambda: 50, ("maid", "max_steps"): lambda: 2, ("hoag", "max_steps"): lambda: 2,
    ("dynamic_dfo", "max_evals"): lambda: 4, ("learn_lbfgsb", "max_evals"): lambda: 4,
    ("learn_lbfgsb", "tol"): lambda: 0.01, ("LineSampling", "y"): lambda: torch.fft.fft2(images(2, 6)),
    ("HuberSignals", "y"): lambda: points(2, 8),
    ("semismooth_newton", "lower"): lambda: bilevel.HuberSignals(points(2, 8).double()),
    ("semismooth_newton", "x0"): lambda: points(2, 8).double(), ("semismooth_newton", "max_iter"): lambda: 2,
    **{(name, "v"): lambda: points(2, 3).double() for name in ("local_minimum", "local_hypergradient")},
    **{(name, what): lambda: bowl for name in ("local_minimum", "local_hypergradient") for what in ("value", "loss")},
    ("local_minimum", "max_iter"): lambda: 2, ("isgd", "max_steps"): lambda: 2, ("isgd", "step"): lambda: 0.1,
    ("isgd", "method"): lambda: "gd", ("isgd", "low"): lambda: [-2.0], ("isgd", "high"): lambda: [1.0],
    ("isgd", "batch"): lambda: 1, ("isgd", "decay"): lambda: 0.5, ("isgd", "halfway"): lambda: 2,
    ("isgd", "max_cost"): lambda: 10,
}  # fmt: skip

#: Annotation -> kind.
KIND = {
    "int": "count", "float": "number", "bool": "flag", "Tensor": "tensor", "torch.Tensor": "tensor", "str": "choice",
    "torch.Generator": "random", "LinearOperator": "operator", "ParallelBeam": "operator", "Generator": "network",
    "float | Tensor": "weight", "Sequence[float]": "numbers", "Path": "path", "str | Path": "path", "Callable": "call",
    "np.ndarray": "numbers", "dict": "dictionary", "Dataset": "dataset", "tuple[float, float]": "numbers",
    "Fidelity": "fidelity", "Regulariser": "regulariser", "str | torch.device": "device",
    "torch.device | str": "device",
    "GeneratorConfig": "config", "StructuredConfig": "config", "RadialConfig": "config", "TrainConfig": "config",
    "RegulariserNetwork": "network", "tuple[int, int]": "shape", "DenoiserConfig": "config",
    "AdversarialConfig": "config", "InputConvexConfig": "config", "NETTConfig": "config", "RidgeConfig": "config",
    "nn.Module": "module", "Objective": "objective", "LatentRegulariser": "prior", "WGAN": "network", "VAE": "network",
    "StructuredVAE": "network", "Trainable": "module", "type": "type", "tuple[int, ...]": "shape",
    "object": "config", "ClassifierConfig": "config",
    "Regulariser | Reconstructor": "regulariser",
    "Sequence[LinearOperator]": "operators", "str | Tensor | Dictionary": "start", "tuple[Tensor, Tensor]": "pair",
    "Callable[[int, Trainable], None]": "call", "Change": "call", "Callable[[Objective], Objective]": "call",
    "Callable[[Objective], bool]": "call", "SolutionPath": "solutions", "DegreesOfFreedom": "freedom",
    "LogPosterior": "posterior", "Sequence[int]": "numbers", "Mapping[str, Regulariser | Reconstructor]": "dictionary",
    "Mapping[str, Tensor]": "dictionary", "ScoreModel": "module", "VelocityModel": "module",
    "ScoreModel | VelocityModel": "module", "ImagePriorConfig": "config", "GaussianMixture": "prior", "Home": "config",
    **{name: "config" for name in ("HomeConfig", *(f"{network}Config" for network in SMALL))},
    "Callable[[Tensor, Tensor], Tensor]": "call", "Callable[[Tensor], Tensor]": "call", "LowerLevel": "objective",
    "HuberSignals": "objective",
    "Bilevel": "objective", "Tensor | LowerSolution": "tensor", "Callable[[Tensor, float], Evaluation]": "call",
    "float | str": "number",
}  # fmt: skip

#: Name -> kind, where the annotation is missing or says less.
NAMED = {
    "A": "operator", "G": "network", "config": "config", "critic": "call", "seed": "seed", "mask": "mask",
    "R": "regulariser",
    "maps": "complex", "kspace": "complex", "radii": "numbers", "fake": "tensor", "generator": "random", "t": "times",
    "start": "start", "objective": "objective", "lesion": "mask", "around": "mask",
}  # fmt: skip

#: (Function, parameter) -> another kind than the name and the annotation say.
OWN_KIND = {
    ("geometric", "start"): "number", ("CriticLoss", "critic"): "network", ("save_result", "name"): "text",
    ("load_result", "name"): "text", ("score_card", "name"): "text", ("solves", "name"): "text",
    ("solves", "general"): "text", ("Recipe", "data"): "text", ("Recipe", "mean"): "text", ("family", "names"): "text",
    ("triangle", "alpha1"): "numbers", ("triangle", "alpha2"): "numbers", ("as_generator", "G"): "network",
    ("root_sum_of_squares", "images"): "plane", ("fourier", "x"): "plane", ("inverse_fourier", "kspace"): "plane",
    ("build", "config"): "config", ("zero_filled", "A"): "operator", ("tv_prox", "tau"): "tensor",
    ("FlowMatching", "t"): "tensor", ("MixtureVelocity", "t"): "tensor", ("TimeUNet", "widths"): "numbers",
    ("ImagePriorConfig", "widths"): "numbers",
    ("convergence_rate", "method"): "choice", ("Reconstructor.forward", "A"): "operator",
    ("FourierSampling", "y"): "complex", ("LineSampling", "y"): "complex",
}  # fmt: skip

RANDOM = (("a seed", 0), ("NumPy's", np.random.default_rng(0)), ("text", "seed"))
NOT_A_NUMBER = (("text", "0.1"), ("nothing", None), ("a list", [1.0]), ("a tensor", torch.ones(3)), ("a truth", True))
THING = (("nothing", None), ("text", "x"), ("a number", 3), ("a function", len))

#: Kind -> (what it is, a bad value).  ``None`` is left out where it is the default.
BAD = {
    "count": (*NOT_A_NUMBER, ("a fraction", 2.5), ("negative", -1), ("NaN", math.nan)),
    "seed": (*NOT_A_NUMBER, ("a fraction", 2.5), ("negative", -1), ("too large", 2**70)),
    "number": (*NOT_A_NUMBER, ("NaN", math.nan), ("infinite", math.inf), ("negative", -1.0)),
    "weight": (
        ("text", "0.1"), ("nothing", None), ("an array", np.ones(2)), ("NaN", math.nan), ("negative", -1.0),
        ("negative among", torch.tensor([1.0, -1.0])), ("NaN among", torch.tensor([1.0, math.nan])),
        ("integers", torch.tensor([1, 2])),
    ),
    "flag": (("text", "no"), ("nothing", None), ("a number", 2)),
    "choice": (("unknown", "nonsense"), ("nothing", None), ("a number", 3), ("a list", [])),
    "text": (("nothing", None), ("a number", 3), ("a list", [])),
    "random": (("nothing", None), *RANDOM),
    "operator": (*THING, ("a layer", nn.Linear(2, 2))),
    "operators": (*THING, ("none", []), ("others", [len])),
    "network": (*THING, ("a layer", nn.Linear(2, 2))),
    "module": (*THING,),
    "regulariser": (*THING,),
    "fidelity": (*THING,),
    "prior": (*THING,),
    "solutions": (*THING,),
    "freedom": (*THING,),
    "posterior": (*THING,),
    "objective": (*THING,),
    "dataset": (*THING,),
    "config": (*THING, ("a dictionary", {"family": "vae"})),
    "dictionary": (*THING, ("a list", [])),
    "type": THING,
    "call": (("nothing", None), ("text", "x"), ("a number", 3)),
    "path": (("nothing", None), ("a number", 3), ("bytes", b"x"), ("a null", "a\0b")),
    "device": (("unknown", "nonsense"), ("a number", 3), ("not here", "cuda:99")),
    "numbers": (
        ("nothing", None), ("text", "abc"), ("a number", 3.0), ("none", []), ("NaN", [math.nan]),
        ("words", ["a"]),
    ),
    "shape": (("nothing", None), ("text", "abc"), ("a number", 3), ("fractions", (1.5, 2.0)), ("zero", (0,))),
    "start": (
        ("unknown", "nonsense"), ("nothing", None), ("an array", np.zeros((2, 2))), ("a number", 3),
        ("a list", [[0.0]]),
    ),
    "pair": (("nothing", None), ("one", (torch.zeros(2, 1, 28, 28),)), ("others", (None, None)), ("a number", 3)),
    "times": (("nothing", None), ("fractions", torch.tensor([0.5, 0.5])), ("too late", torch.tensor([10**6, 1]))),
}  # fmt: skip


def spoiled(good: torch.Tensor) -> torch.Tensor:
    """The same with a NaN at its first place."""
    bad = good.clone()
    bad.view(-1)[0] = math.nan
    return bad


def bad_tensors(good: torch.Tensor, kind: str) -> tuple:
    """Bad values in place of a good tensor."""
    others = (("nothing", None), ("text", "x"), ("a list", good.tolist()), ("an array", good.numpy()))
    if kind == "mask":
        return (*others, ("numbers", good.double()), ("empty", good & ~good), ("not square", good[:, 1:]))
    wrong = (*others, ("integers", torch.ones(good.shape, dtype=torch.int64)), ("NaN", spoiled(good.contiguous())))
    return (
        wrong if kind == "plane" else (*wrong, ("a number", good.flatten()[0]), ("more axes", good[None, None, None]))
    )


#: Class -> an instance, whose public methods are called.
INSTANCES = {
    "GaussianBlur": lambda: built("A"),
    "GaussianMatrix": lambda: C.GaussianMatrix(4, 28, seeded()),
    "Identity": lambda: C.Identity(28),
    "Inpainting": lambda: C.Inpainting(torch.ones(28, 28, dtype=torch.bool)),
    "ParallelBeam": lambda: built("beam"),
    "MaskedFourier": lambda: C.MaskedFourier(mask()),
    "MultiCoil": lambda: built("coils"),
    "Magnitude": lambda: C.Magnitude(built("A")),
    "VAE": lambda: built("vae"),
    "WGAN": lambda: built("wgan"),
    "StructuredVAE": lambda: built("structured"),
    "RadialNetwork": lambda: built("network"),
    "LearnedProximal": lambda: built("unrolled"),
    "UNet": lambda: built("unet"),
    "Flow": lambda: Flow(2),
    "Diffusion": lambda: Diffusion(2, steps=3),
    "ImageDiffusion": lambda: built("diffusion"),
    "FlowMatching": lambda: built("flow"),
    "TimeUNet": lambda: built("flow").network,
    "MixtureScore": lambda: bayes.MixtureScore(mixture(), (1, 1, 2), cosine_schedule(3)),
    "MixtureVelocity": lambda: bayes.MixtureVelocity(mixture(), (1, 1, 2), steps=2),
    "DPS": lambda: bayes.DPS(built("diffusion")),
    "DiffPIR": lambda: bayes.DiffPIR(built("diffusion"), 0.5),
    "PnPFlow": lambda: bayes.PnPFlow(built("flow"), steps=2),
    "LocalPrecision": lambda: C.LocalPrecision(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4, 4)),
    "Dictionary": lambda: built("starts"),
    "Tikhonov": lambda: C.Tikhonov(0.5),
    "L1": lambda: C.L1(0.5),
    "TV": lambda: C.TV(0.5),
    "TGV": lambda: C.TGV(0.5),
    "Wavelets": lambda: C.Wavelets(0.5),
    "HuberTV": lambda: regularisers.HuberTV(0.5),
    "LogPosterior": lambda: built("posterior"),
    "Hard": lambda: C.Hard(built("vae"), 0.5),
    "Relaxed": lambda: C.Relaxed(built("vae"), 0.5, 0.5),
    "EncoderDistance": lambda: regularisers.EncoderDistance(built("vae"), 0.5),
    "LearnedCovariance": lambda: C.LearnedCovariance(built("structured"), 0.5),
    "Box": regularisers.Box,
    "Sphere": regularisers.Sphere,
    "SquaredNorm": regularisers.SquaredNorm,
    "ImageTV": regularisers.ImageTV,
    "CriticLoss": lambda: regularisers.CriticLoss(built("wgan")),
    "GaussianMixture": lambda: mixture(),
    "ResidualDenoiser": lambda: built("denoiser"),
    "LipschitzDenoiser": lambda: C.build(denoiser_config("lipschitz denoiser"), seed=0).freeze(),
    "GradientStepDenoiser": lambda: C.build(denoiser_config("gradient-step denoiser"), seed=0).freeze(),
    "LearnedRegulariser": lambda: regularisers.LearnedRegulariser(built("ridge"), 0.5),
    "SquaredError": C.SquaredError,
    "KullbackLeibler": C.KullbackLeibler,
    "Residuals": lambda: bilevel.Residuals(built("bilevel")),
}


def mixture(d: int = 2):
    return regularisers.GaussianMixture(torch.ones(1), torch.zeros(1, d), torch.eye(d)[None])


class Smooth(C.Regulariser):
    """A function of the image with a gradient, as a reader would write it."""

    smooth = True

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).pow(4).sum(1)


def generative(make) -> tuple:
    return make, {"start": torch.zeros(2, 2)}


#: Class of a problem -> a regulariser that makes it, and what ``reconstruct`` needs beside.
PROBLEMS = {
    "HardObjective": lambda: generative(C.Hard(built("vae"), 0.5)),
    "PenalisedObjective": lambda: generative(C.Hard(built("vae"), 0.5, regularisers.ImageTV())),
    "ConstrainedObjective": lambda: generative(C.Hard(built("vae"), 0.5, regularisers.Box())),
    "RelaxedObjective": lambda: generative(C.Relaxed(built("vae"), 0.5, 0.5)),
    "SparseObjective": lambda: generative(C.Sparse(built("vae"), 0.5, 0.5)),
    "SparseTVObjective": lambda: generative(C.SparseTV(built("vae"), 0.5, 0.5)),
    "EncoderObjective": lambda: generative(regularisers.EncoderDistance(built("vae"), 0.5)),
    "IntermediateObjective": lambda: generative(regularisers.Intermediate(built("vae"), 0.5, 0.5)),
    "CovarianceObjective": lambda: generative(C.LearnedCovariance(built("structured"), 0.5)),
    "TikhonovObjective": lambda: (C.Tikhonov(0.5), {}),
    "TVObjective": lambda: (C.TV(0.5), {}),
    "QuadraticComposite": lambda: (C.H1(0.5), {}),
    "CompositeObjective": lambda: (C.L1(0.5), {}),
    "ImageObjective": lambda: (C.L1(0.5), {}),
    ("ImageObjective", "paper"): lambda: (Smooth(0.5), {}),
}

#: (Function, parameter) that takes anything, and why.
OPEN = {
    # a constraint or a prior of z does not look at the image, one of the image not at z
    *((f"{R_Z}.__call__", "x") for R_Z in ("Box", "Sphere", "SquaredNorm", "GaussianMixture")),
    *((f"{R_Z}.__call__", "z") for R_Z in ("ImageTV", "CriticLoss")),
    # there is nothing to call: the error says so
    *((f"{R_Z}.project", "z") for R_Z in ("SquaredNorm", "ImageTV", "CriticLoss", "GaussianMixture")),
    *(
        (f"{R}.grad", "x")
        for R in ("L1", "TV", "TGV", "Wavelets", "Hard", "Relaxed", "EncoderDistance", "LearnedCovariance")
    ),
    ("HuberTV.prox", "x"),
    ("HuberTV.prox", "tau"),
    ("LearnedRegulariser.prox", "x"),
    ("LearnedRegulariser.prox", "tau"),
    ("WGAN.encode", "x"),
}
#: (Function, parameter, label) of a value that is good there.
ALLOWED = {
    ("LinearOperator", "scale", "negative"), ("Scaled", "factor", "negative"),
    *((noise, "y", label) for noise in ("add_noise", "poisson_noise") for label in ("a number", "more axes")),
    *((R, "x", "more axes") for R in ("Tikhonov", "L1", "duplicate_threshold", "subset")),
    # a record may name the device of another machine
    ("device_name", "device", "not here"), ("provenance", "device", "not here"),
    # of a pair whose shapes differ, the other one is named
    ("coverage", "truth", "more axes"),
    ("emd", "b", "more axes"), ("nearest", "among", "more axes"), ("SquaredError", "p", "more axes"),
    # a fixed point may have any shape
    ("anderson", "x0", "more axes"), ("contraction", "x", "more axes"),
    ("KullbackLeibler", "p", "more axes"), ("SquaredError", "p", "a number"), ("KullbackLeibler", "p", "a number"),
    ("solve_hessian", "b", "more axes"),
}  # fmt: skip
#: (Function, parameter) -> the parameter in whose place it is given.
INSTEAD = {("ParallelBeam", "angles"): "n_angles"}
#: Too slow to be called with good values.
SLOW = {"score_card", "feature_network", "classifier_test"}
