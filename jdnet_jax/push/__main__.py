"""Shares a student on the Hugging Face hub: `HF_TOKEN=... python -m jdnet_jax.push OWNER/NAME --from=runs/demo`.

Sends its weights (`model.safetensors`, timm's names), `model.json`, the sums of both, the files of `--formats`, and a
page (`README.md`) about its training, its tests with their uncertainty, and the origin of its weights. No photo
is sent. `jdnet_jax.load("hf-hub:OWNER/NAME")` opens it, on any machine; predict, evaluate, export, demo and
`benchmark student` take that name too.

With `--output=DIR` all of it is written there instead, to be looked at, and nothing is sent. HF_TOKEN is a token that
may write; HF_ENDPOINT names another server than the hub's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from absl import flags

from jdnet_jax.export import formats
from jdnet_jax.files import atomic, user_files
from jdnet_jax.models import hub
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show

_FROM = flags.DEFINE_string("from", None, "A workdir, a hand-off (student/), or hf-hub:OWNER/NAME.")
_FORMATS = flags.DEFINE_list("formats", ["tflite"], "Files for phones and browsers to send too, such as tflite,onnx.")
_LICENCE = flags.DEFINE_string(
    "license", "", "The licence that you give it: the hub's name of one, such as apache-2.0."
)
_PRIVATE = flags.DEFINE_bool("private", False, "A repository that is new is seen by its owner alone.")
_OUTPUT = flags.DEFINE_string("output", None, "A new folder to write all of it to; nothing is sent.")


def main(argv: list[str]) -> int:
    """Makes the folder and sends it, and returns the exit status."""
    if len(argv) != 2 or not hub.is_id(f"hf-hub:{argv[1]}") or "@" in argv[1]:
        raise UserError(f"name the repository: {command_line.shown('push')} OWNER/NAME --from=runs/demo")
    if not _FROM.value:
        raise UserError("--from is missing: name a workdir or a hand-off (student/)")
    for name in _FORMATS.value:
        formats.check(name, "none", "")

    from jdnet_jax.push import upload

    upload.check_package()  # before anything takes time
    token = "" if _OUTPUT.value else upload.token()
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.push import bundle

    repository, source = argv[1], user_files.expanded(_FROM.value)
    if _OUTPUT.value:
        output = user_files.expanded(_OUTPUT.value)
        if output.exists():
            raise UserError(f"--output={output} is there already: name a new folder")
        with atomic.replaced_folder(output) as aside:
            bundle.write(repository, source, aside, _FORMATS.value, _LICENCE.value)
        show(f"{output}: what would be sent to {repository}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        bundle.write(repository, source, Path(folder), _FORMATS.value, _LICENCE.value)
        show(upload.send(repository, Path(folder), token, private=_PRIVATE.value))
    show(f'jdnet_jax.load("hf-hub:{repository}") opens it')
    return 0


if __name__ == "__main__":
    command_line.run(main)
