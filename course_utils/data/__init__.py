"""The images of the course: ``load`` gives train, validation and test, and says where they came from."""

from .._files import IntegrityError
from .dataset import Dataset
from .kspace import KSpace, load_kspace
from .load import load
from .scans import TiltSeries, load_tilt_series

__all__ = ["Dataset", "IntegrityError", "KSpace", "TiltSeries", "load", "load_kspace", "load_tilt_series"]
