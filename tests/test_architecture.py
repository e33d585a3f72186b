"""The three storeys of the package; pyproject.toml states the rules."""

from importlinter.cli import lint_imports

from course_utils._files import REPOSITORY


def test_imports_run_downward_and_in_no_circle(capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == 0, capsys.readouterr().out
