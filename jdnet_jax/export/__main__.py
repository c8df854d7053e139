"""Exports a trained student: `python -m jdnet_jax.export --from=runs/demo --format=tflite --output=student.tflite`.

Only the student is needed, a workdir, its hand-off or `hf-hub:OWNER/NAME`; with `--quantize=int8` also photos, of the
run's prepared dataset or of `--calibrate`. The file takes pixels, uint8 RGB, and gives probabilities and the class
activation map of the most probable class; TFLite and Core ML files give the probabilities alone, as the tools of phones
expect, unless `--outputs=probabilities+activation` asks for both. Before the file is put in place, its answers are
compared with the student's on photos that it was not calibrated with. Its `model.json` lies beside it.

With `--app=android` or `--app=web` the output is a folder with an app and the student in it: a Gradle project for
Android Studio, or the page of `python -m jdnet_jax.demo` for any web server.
"""

from __future__ import annotations

import subprocess
import sys

from absl import flags

from jdnet_jax.export import formats
from jdnet_jax.files import user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show

_FROM = flags.DEFINE_string("from", None, "A workdir, a hand-off (student/), or hf-hub:OWNER/NAME.")
_FORMAT = flags.DEFINE_string("format", "tflite", f"One of {', '.join(formats.FORMATS)}.")
_QUANTIZE = flags.DEFINE_string("quantize", "none", f"One of {', '.join(formats.DTYPES)}; other than none for tflite.")
_OUTPUTS = flags.DEFINE_string(
    "outputs",
    "",
    "probabilities (the default of tflite and coreml) or probabilities+activation, with the activation map.",
)
_OUTPUT = flags.DEFINE_string("output", None, "The file to write; for saved_model and an app the folder.")
_CALIBRATE = flags.DEFINE_string("calibrate", None, "A folder of photos for int8; a quarter is kept to judge by.")
_ALLOW_LOSS = flags.DEFINE_bool("allow_loss", False, "Write a quantised file even if it loses more than 1 point.")
_APP = flags.DEFINE_enum("app", None, ["android", "web"], "Write an app with the student to the folder --output.")
_AUTHOR = flags.DEFINE_string("author", "", "Who the file's metadata names as its author.")
_LICENCE = flags.DEFINE_string("license", "", "The licence that the file's metadata states.")


def main(argv: list[str]) -> int:
    """Exports, prints the report, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: options begin with --, such as --from={argv[1]}")
    if not _FROM.value:
        raise UserError("--from is missing: name a workdir or a hand-off (student/)")
    if not _OUTPUT.value:
        raise UserError("--output is missing: name the file to write, such as --output=student.tflite")
    if _APP.value:
        _check_app()
    if _APP.value == "web":
        # A separate process: the page's command exports by itself what it shows.
        demo = ["jdnet_jax", "demo"] if command_line.started_as_jdnet else ["jdnet_jax.demo"]  # for what it says
        page = [sys.executable, "-m", *demo, f"--model={_FROM.value}", f"--export={_OUTPUT.value}"]
        return subprocess.run(page, check=False).returncode
    formats.check(_FORMAT.value, _QUANTIZE.value, _OUTPUTS.value)
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.export import exporter

    request = exporter.Request(
        source=user_files.expanded(_FROM.value),
        file_format=_FORMAT.value,
        quantize=_QUANTIZE.value,
        outputs=_OUTPUTS.value,
        output=user_files.expanded(_OUTPUT.value),
        calibrate=user_files.expanded(_CALIBRATE.value) if _CALIBRATE.value else None,
        allow_loss=_ALLOW_LOSS.value,
        author=_AUTHOR.value,
        licence=_LICENCE.value,
    )
    if _APP.value == "android":
        from jdnet_jax.export import android_app

        show(str(android_app.write(request)))
        show(f"open {request.output} in Android Studio; its README.md says what is in it and what was not tried")
        return 0
    show(str(exporter.export(request)))
    return 0


def _check_app() -> None:
    """Refuses flags that an app does not allow: it has one format, with the activation map that it draws."""
    for name in ("format", "outputs", *(("quantize", "calibrate", "allow_loss") if _APP.value == "web" else ())):
        if flags.FLAGS[name].present:
            raise UserError(f"--app={_APP.value} sets --{name}: leave it out")


if __name__ == "__main__":
    command_line.run(main)
