import subprocess
import sys

from tests.commands import ROOT


def test_output_that_nobody_reads_any_more_ends_the_command_quietly():
    code = "from jdnet_jax import command_line\n"
    code += "def main(argv):\n    while True: print('line ' * 100)\n"
    code += "command_line.run(main, ['many'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == ""
