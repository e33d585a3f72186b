"""Experiments of the paper at full size, each by one command; results go to ``results/`` with provenance.

python -m course_utils.reproduce fig9       compressed sensing: 3 generators x 3 methods, Tikhonov, TV
python -m course_utils.reproduce nrmse      min_z ||G(z) - x|| over the 10,000 test digits
python -m course_utils.reproduce all
"""

from ..results import load_result
from .compressed_sensing import GENERATORS, compressed_sensing, reconstruction_errors, start_dictionary
from .experiment import Experiment

__all__ = [
    "GENERATORS", "Experiment", "compressed_sensing", "load_result", "reconstruction_errors", "start_dictionary",
]  # fmt: skip
