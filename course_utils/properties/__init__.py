"""The desired properties A1 to B2 of a generator (paper, Sect. 4), measured; derived in chapter 04.

>>> from course_utils import load, pretrained
>>> from course_utils.properties import range_errors
>>> errors = range_errors(pretrained("vae-mnist-8", verbose=False), load("mnist").test[:10])
>>> errors.nrmse.shape
torch.Size([10])
"""

from .adapt import as_generator
from .batches import nearest, samples, subset
from .card import Score, ScoreCard, score_card
from .coverage import RangeErrors, range_errors
from .features import feature_network, frechet_distance, shape_parameters
from .judge import Verdict, judge
from .latent_laws import latent_draws, latents_of
from .latent_space import LatentSpread, latent_spread, plane_projections
from .likelihood import LogLikelihood, log_likelihood
from .novelty import FarImages, far_from_prior, strangers
from .smoothness import Path, interpolate, jacobian, lipschitz, path_smoothness, triangle
from .support import Support, duplicate_threshold, support_size
from .transport import EMD, emd, emd_floor
from .two_sample import ClassifierTest, EnergyTest, classifier_test, energy_test
from .two_shapes import two_shapes

__all__ = [
    "EMD", "ClassifierTest", "EnergyTest", "FarImages", "LatentSpread", "LogLikelihood", "Path",
    "RangeErrors", "Score", "ScoreCard", "Support", "Verdict", "as_generator", "classifier_test",
    "duplicate_threshold", "emd", "emd_floor", "energy_test", "far_from_prior", "feature_network", "frechet_distance",
    "interpolate", "jacobian", "judge", "latent_draws", "latent_spread", "latents_of", "lipschitz", "log_likelihood",
    "nearest", "path_smoothness", "plane_projections", "range_errors", "samples", "score_card", "shape_parameters",
    "strangers", "subset", "support_size", "triangle", "two_shapes",
]  # fmt: skip
