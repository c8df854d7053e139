import pytest

from tests.commands import command, last_line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "error: --workdir is missing: name the folder of a run, such as --workdir=runs/demo"),
        (("runs/x",), "error: unexpected argument 'runs/x': name the run as --workdir=runs/x"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    result = command("report", *arguments)
    assert result.returncode == 2
    assert last_line(result) == message
