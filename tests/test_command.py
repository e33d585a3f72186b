"""What the command lines of the course share."""

import os
import subprocess
import sys

import pytest

from course_utils import _command


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [("reproduce list", ""), ("notebooks list", ""), ("notebooks list", "1"), ("training -h", "")],
)
@pytest.mark.slow
def test_nobody_has_to_read_a_list_to_its_end(command, unbuffered):
    """The reading end is closed before a line is written, as ``head`` closes it after the last line it wants."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", *f"course_utils.{command}".split()]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=200, env=environment)
    os.close(writer)
    assert (done.stderr, done.returncode) == ("", _command.READER_GONE)


@pytest.mark.slow
def test_the_first_line_is_there_and_the_rest_is_not_missed():
    command = f"{sys.executable} -m course_utils.reproduce list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=200)
    assert done.stdout.startswith("fig1 ") and done.stdout.endswith("\n141\n") and done.stderr == ""


@pytest.mark.parametrize(("returned", "status"), [(None, None), (0, 0), (1, 1)])
def test_the_status_is_that_of_the_command(returned, status, capfd):
    with pytest.raises(SystemExit) as ended:
        _command.run(lambda: returned)
    assert ended.value.code == status


def test_another_broken_pipe_is_an_error_as_any_other():
    def main():
        raise BrokenPipeError("of a cluster")

    with pytest.raises(BrokenPipeError, match="of a cluster"):
        _command.run(main)
