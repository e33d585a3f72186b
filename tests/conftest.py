"""What every test gets: sleeping idle threads, no window for figures, and a table of measured times."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

MEASURED: list[str] = []


def pytest_terminal_summary(terminalreporter):
    """Print what tests measured (chapter run times, latencies of the explorers), passed or not."""
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.write_line(line)
