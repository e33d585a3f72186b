"""Grading what students hand in: the checks of the course run on their notebooks, and a table comes out.

    python -m course_utils.grade FOLDER                  -> FOLDER/grades.csv, one row for each notebook
    python -m course_utils.grade FOLDER --seconds 60 --minutes 5 --full

``FOLDER`` holds notebooks, at any depth: ``alice/01-inverse-problems.ipynb`` and ``01-bob.ipynb`` are both fine,
because a chapter is known by its cells and a student by the path.  No notebook is changed.

What is run is the chapter as it was handed out, with the student's cells where the exercises are (``assembly``), and
the course's own checks, whatever the notebook did to its own (``inside``).  It runs with the rights of whoever calls
it, so grade strangers' notebooks in a container: this keeps honest people honest, it is no prison.
"""

from .assembly import Assembled, Assignment, Exercise, UnknownChapter, assemble, assignments
from .kernel import Outcome, run
from .table import Row, grade, submissions, write

__all__ = [
    "Assembled", "Assignment", "Exercise", "Outcome", "Row", "UnknownChapter", "assemble", "assignments", "grade",
    "run", "submissions", "write",
]  # fmt: skip
