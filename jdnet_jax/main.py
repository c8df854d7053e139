"""Trains a teacher and a student together: `python -m jdnet_jax.main --config=configs/demo.py`.

The same command continues an interrupted run.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from jdnet_jax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", None, "The run's config file, such as configs/demo.py.")
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder. Default: runs/<name of the config file>.")


def main(argv: list[str]) -> int:
    """Trains, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: options begin with --, such as --config={argv[1]}")
    if _CONFIG.value is None:
        raise UserError("--config is missing: name a config file, such as --config=configs/demo.py")
    workdir = str(Path(_WORKDIR.value or _default_workdir()).expanduser())
    _log_to(Path(workdir))

    # Imported here so that --help and a mistyped flag answer at once.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # TensorFlow's running commentary
    # TensorFlow only prepares images here: no need for oneDNN's kernels, whose rounding depends on the machine.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    from jdnet_jax import train

    _keep_compiled_steps()
    tf.config.set_visible_devices([], "GPU")
    tf.config.set_visible_devices([], "TPU")
    summary = train.train_and_evaluate(_CONFIG.value, workdir)
    print(train.conclusion(summary, workdir))
    print(_next_steps())
    return 0


def _default_workdir() -> str:
    name, _, argument = Path(config_flags.get_config_filename(flags.FLAGS["config"])).name.partition(":")
    return str(Path("runs") / "-".join([Path(name).stem, *([argument] if argument else [])]))


def _log_to(workdir: Path) -> None:
    """Details go to files in the workdir, warnings to the screen as well."""
    logs = workdir / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--workdir={workdir} cannot be made ({error.strerror}): choose another") from error
    logging.use_absl_handler()
    logging.get_absl_handler().use_absl_log_file("main", str(logs))
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("warning")


def _keep_compiled_steps() -> None:
    """A second start of the same config skips the compilation; JAX_COMPILATION_CACHE_DIR names another place."""
    import jax

    if not jax.config.values["jax_compilation_cache_dir"]:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jdnet_jax" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(cache))


def _next_steps() -> str:
    return "\n".join(
        [
            "next:",
            "  the student without its teacher, for comparison:  --config=<the same file>:ce",
            "  real photos of food:  python -m jdnet_jax.main --config=configs/grocery.py",
            "  any value of a config:  --config.epochs=20 --config.losses.ial.weight=0.5 --workdir=runs/mine",
        ]
    )


def run(argv: list[str] | None = None) -> None:
    """Parses the flags and runs `main`; a user's mistake is one line and exit status 2, never a traceback."""
    threading.excepthook = _log_thread_error
    try:
        app.run(main, argv=argv, flags_parser=_parse)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        print(
            f"error: {error.filename or 'a file of the run'}: {error.strerror}: make room and run again",
            file=sys.stderr,
        )
        sys.exit(2)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    """A background thread's error is reported once, by whoever waits for its result; the details go to the log."""
    logging.info("error in thread %s", args.thread and args.thread.name, exc_info=args.exc_value)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        if _CONFIG.value is not None:
            _ = _CONFIG.value.recipe  # a file that cannot be loaded is reported at its first use
        return rest
    except (flags.Error, UserError, AttributeError, KeyError, OSError, ValueError, TypeError) as error:
        path = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")[0] if _CONFIG.present else ""
        if path and not Path(path).is_file():
            raise UserError(f"--config={path}: there is no such file; the project's own are in configs/") from error
        lookup = error if isinstance(error, KeyError) else error.__context__
        text = _unknown_key(lookup, argv) if isinstance(lookup, KeyError) else str(error)
        raise UserError(" ".join(text.split())) from error


def _unknown_key(error: KeyError, argv: list[str]) -> str:
    """The line for a flag whose key the config lacks; the library's own error names the key's last part alone."""
    missing, _, hint = str(error.args[0]).partition("\n")
    missing = missing.strip("'")
    flags_given = (argument.partition("=")[0].lstrip("-") for argument in argv)
    key = next((name for name in flags_given if missing in name.split(".")), missing)
    return f"unknown config key {key}" + (
        f": {hint[:1].lower()}{hint[1:]}" if hint else ", which the config file lacks"
    )


if __name__ == "__main__":
    run()
