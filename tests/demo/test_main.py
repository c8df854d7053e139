"""The command, as a person runs it."""

import signal
import urllib.request

import pytest

from tests.commands import command, last_line, started


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: --model is missing: name a .tflite or .onnx file"),
        (["student.tflite"], "error: unexpected argument 'student.tflite'"),
        (["--model=nowhere.tflite"], "error: there is no model at nowhere.tflite"),
    ],
)
def test_a_mistake_is_one_line(args, message):
    result = command("demo", *args)
    assert result.returncode == 2
    assert last_line(result).startswith(message)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_serves_and_a_signal_ends_it_well(tflite, runtimes, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"the tests were started without {number.name}, and so is what they start")
    with started("jdnet_jax.demo", f"--model={tflite}", "--port=0", fresh=True) as process:
        line = process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:")
        with urllib.request.urlopen(line.split()[1], timeout=10) as response:
            assert b"What food is it?" in response.read()
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("name", "args"), [("demo", ("--model=", "--export=")), ("export", ("--app=web", "--from=", "--output="))]
)
def test_a_folder_for_any_web_server(tflite, runtimes, tmp_path, name, args):
    *rest, model, folder = args
    result = command(name, *rest, f"{model}{tflite}", f"{folder}{tmp_path / 'page'}")
    assert result.returncode == 0, result.stderr
    (student,) = (tmp_path / "page").glob("student-*.tflite")
    assert student.read_bytes() == tflite.read_bytes()
    assert (tmp_path / "page" / "runtime" / "litert_wasm_internal.wasm").stat().st_size > 1e6
