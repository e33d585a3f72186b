"""What the tests measured, in lines for the end of the run; ``conftest`` collects them from all processes."""

MEASURED: list[str] = []
