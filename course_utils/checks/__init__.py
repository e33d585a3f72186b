"""Checks of the exercises, one module a chapter: ``from course_utils.checks import inverse_problems``.

Each check prints one line, right or not yet and by how much, and returns a ``Verdict`` that is true if right.
"""

from .base import Verdict, attempt, compare, not_yet, right

__all__ = ["Verdict", "attempt", "compare", "not_yet", "right"]
