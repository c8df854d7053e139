"""A web page that recognises food with a student: `python -m jdnet_jax.demo --model=student.tflite`.

The model is an exported file (`.tflite`, `.onnx`), or a workdir, a hand-off or `hf-hub:OWNER/NAME`, which is exported
first. It runs in the browser, so photos stay there. The page can be installed as an app and then works without a
network. With `--export=DIR` the page is written to a folder, for any web server.

npm fetches the runtimes for the browser once; `--build` does only that.
"""

from __future__ import annotations

from absl import flags

from jdnet_jax.files import user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import show

_MODEL = flags.DEFINE_string("model", None, "A .tflite or .onnx file, a workdir, a hand-off, or hf-hub:OWNER/NAME.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "The interface to serve at; this machine alone can reach the default.")
_PORT = flags.DEFINE_integer("port", 8000, "The port to serve at; 0 for any that is free.", 0, 65535)
_EXPORT = flags.DEFINE_string("export", None, "A folder to write the page to, instead of serving it.")
_BUILD = flags.DEFINE_bool("build", False, "Fetch anew what runs models in a browser, by npm, and end.")


def main(argv: list[str]) -> int:
    """Serves or writes the page, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: options begin with --, such as --model={argv[1]}")

    from jdnet_jax.demo import runtime

    if _BUILD.value:
        show(str(runtime.build()))
        return 0
    if not _MODEL.value:
        raise UserError("--model is missing: name a .tflite or .onnx file, a workdir or a hand-off (student/)")

    from jdnet_jax.demo import model_file, server, static_folder
    from jdnet_jax.demo import site as site_lib

    model = model_file.load(user_files.expanded(_MODEL.value))
    site = site_lib.create(model, runtime.find_or_build())
    if _EXPORT.value:
        folder = user_files.expanded(_EXPORT.value)
        static_folder.write(site, folder)
        show(f"{folder}: {len(site)} files; serve them by HTTPS, without which browsers give pages no camera")
        return 0
    serving = server.Server(site, _HOST.value, _PORT.value)
    show(f"open {serving.url} (Ctrl-C ends)")
    server.serve_until_interrupted(serving)
    return 0


if __name__ == "__main__":
    command_line.run(main)
