"""Experiments of the paper at full size, each by one command; results go to ``results/`` with provenance.

    python -m course_utils.reproduce list                all experiments, and how old their results are
    python -m course_utils.reproduce fig9 fig10          run these; finished jobs are stored and not run again
    python -m course_utils.reproduce all                 run all
    python -m course_utils.reproduce all --figures DIR   draw the stored results and tell their story

On a Dask cluster, whose workers have the same version of the course installed:

    dask scheduler &  dask worker tcp://localhost:8786 --nthreads 1 &
    python -m course_utils.reproduce all --backend dask --scheduler tcp://localhost:8786
"""

from ..results import load_result
from .experiment import Experiment
from .setting import GENERATORS, start_dictionary

__all__ = ["GENERATORS", "Experiment", "load_result", "start_dictionary"]
