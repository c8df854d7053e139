"""Shared parts of the commands: the config flag, errors as one line, and the set-up of libraries.

This module imports neither JAX nor TensorFlow, so that `--help` and a mistyped flag answer at once.
"""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
import threading
from collections.abc import Callable
from logging import LogRecord
from pathlib import Path

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from jdnet_jax.process import children, config_files, config_mistake, huge_pages, xla_flags
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import lines, printable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How a system refuses a path that the user named, or one inside a folder that the user named.
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)

#: Whether the command was started by its short name, `jdnet COMMAND`.
started_as_jdnet = False


def shown(command: str) -> str:
    """A command such as `predict` as the user would type it, in the way this one was started."""
    if started_as_jdnet:
        return f"jdnet {'train' if command == 'main' else command}"
    return f"python -m jdnet_jax.{command}"


def define_config(help_text: str) -> flags.FlagHolder:
    """Defines the flag `--config`: a config file, whose values become flags (`--config.seed=3`)."""
    return config_flags.DEFINE_config_file("config", None, help_text)


def config_file() -> str:
    """The file that `--config` names, with the recipe after its colon where there is one."""
    return config_flags.get_config_filename(flags.FLAGS["config"])


def required_config() -> ConfigDict:
    """The config that `--config` names.

    Raises:
        UserError: the flag is missing.
    """
    config = flags.FLAGS["config"].value
    if config is None:
        raise UserError("--config is missing: name a config, such as --config=demo")
    return config


def set_up_libraries() -> None:
    """Imports TensorFlow and JAX, TensorFlow quiet and without accelerators.

    A second start of the same config skips the compilation; JAX_COMPILATION_CACHE_DIR names another place for it.
    """
    # Silences TensorFlow's commentary, and XLA's request to file a bug for a compilation of two minutes; errors are
    # raised all the same.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow only prepares images here: no need for oneDNN's kernels, whose rounding depends on the machine.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["XLA_FLAGS"] = xla_flags.flags(os.environ)
    import jax
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    tf.config.set_visible_devices([], "TPU")
    if not jax.config.values["jax_compilation_cache_dir"]:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jdnet_jax" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(cache))
        # Not only what takes a second: a start compiles some thirty small programs, which take seconds together.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    gc.freeze()  # the libraries stay: without this, collections look through them for a tenth of the time of a trace


def with_photos(argv: list[str]) -> list[str]:
    """The arguments with a first one that is not an option turned into the flag for the folder of photos.

    The config is `image_folder` unless they name one: `PHOTOS --config=image_folder:ce`.
    """
    program, *arguments = argv
    if not arguments or arguments[0].startswith("-"):
        return argv
    photos, *rest = arguments
    folder = f"--config.dataset.data_dir={photos}"
    if any(argument.partition("=")[0] in ("--config", "-config") for argument in rest):
        return [program, *rest, folder]  # values must follow their config
    return [program, "--config=image_folder", folder, *rest]


def log_warnings_only() -> None:
    """Hides the libraries' informational messages; for commands that write no log files.

    TensorFlow's decoders complain of a bad photo without naming it; the commands name it themselves.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    log_printable()
    logging.set_verbosity(logging.WARNING)


def log_printable() -> None:
    """Makes absl's log messages printable: without characters that a terminal acts upon."""

    def escape(record: LogRecord) -> bool:
        record.msg, record.args = lines(record.getMessage()), ()
        return True

    logging.use_absl_handler()
    logging.get_absl_handler().addFilter(escape)


def run(main: Callable[[list[str]], int], argv: list[str] | None = None) -> None:
    """Parses the flags and runs `main`; a user's mistake is one line and exit status 2, never a traceback."""
    children.end_with_parent()
    huge_pages.ask()
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_unraisable_error
    text = _run(main, argv)
    # A failed save leaves coroutines and threads of Orbax, whose output would bury the line: from here on it goes
    # nowhere.
    sys.stderr.flush()
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", errors="backslashreplace") as screen:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        screen.write(f"error: {printable(text)}\n")
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.stdout.flush()
        os._exit(2)  # such threads wait for minutes for what will not come
    sys.exit(2)


def _run(main: Callable[[list[str]], int], argv: list[str] | None) -> str:
    """Ends the process with the status of `main`, or returns the user's mistake."""
    try:
        app.run(main, argv=argv, flags_parser=_parse)
    except BrokenPipeError:
        # The reader has closed the output, as `head` does. What Python would still flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (UserError, OSError, RuntimeError, ValueError) as error:
        if (text := mistake(error)) is None:
            raise
        return text


def mistake(error: BaseException) -> str | None:
    """The line for an error with a cause outside the program; None for other errors."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"{error.filename or 'a file of the run'}: {error.strerror}: make room and run again"
    if isinstance(error, OSError) and error.errno in _REFUSED and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, ValueError) and str(error).startswith("embedded null"):
        return "a path holds a character of value 0, which none can: correct it"
    if isinstance(error, UnicodeEncodeError) and "surrogates not allowed" in str(error):
        near = error.object[max(0, error.start - 60) : error.end + 20]
        return f"a path or name holds bytes that are no UTF-8 (in {near!r}), which not every library takes: rename it"
    # JAX's error for a device, which this module cannot import.
    if type(error).__name__ == "JaxRuntimeError" and (match := re.search(r"RESOURCE_EXHAUSTED: ([^\n]*)", str(error))):
        return (
            f"the device's memory does not hold it ({match[1].rstrip('.')}): lower config.batch_size or "
            "config.image_size, raise config.grad_accum, or set config.remat=True"
        )
    return None


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    """Logs a background thread's error; the thread that waits for its result reports it to the user."""
    logging.info("error in thread %s", args.thread and args.thread.name, exc_info=args.exc_value)


def _log_unraisable_error(args: sys.UnraisableHookArgs) -> None:
    """Logs an error in a callback, which cannot be caught, such as TensorStore's after a failed save."""
    logging.info("error in %s", args.object, exc_info=args.exc_value)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(_with_config_files(argv))
        _check_loaded()
        return rest
    except (BrokenPipeError, KeyboardInterrupt):  # the first while `--help` was printed
        raise
    except BaseException as error:  # the config file is run here, and may do anything
        if (text := config_mistake.describe(error)) is not None:
            raise UserError(" ".join(text.split())) from error
        if isinstance(error, SystemExit):
            sys.exit(0)  # `--help`, with which absl exits as if it were a mistake
        path = config_file().partition(":")[0] if "config" in flags.FLAGS and flags.FLAGS["config"].present else ""
        if path and not Path(path).is_file():
            raise UserError(f"--config={path}: there is no such file; {config_files.suggestion(path)}") from error
        if not isinstance(
            error, flags.Error | UserError | AttributeError | LookupError | OSError | ValueError | TypeError
        ):
            raise
        lookup = error if isinstance(error, KeyError) else error.__context__
        text = _unknown_key(lookup, argv) if isinstance(lookup, KeyError) else str(error)
        raise UserError(" ".join(text.split())) from error


def _check_loaded() -> None:
    """Checks that a config file can be loaded and holds a config; otherwise errors would appear at its first use."""
    if "config" not in flags.FLAGS or not flags.FLAGS["config"].present:
        return
    config = flags.FLAGS["config"].value
    if isinstance(config, dict) or not hasattr(config, "recipe"):
        path = config_file().partition(":")[0]
        raise UserError(f"{path}: get_config must return a config, not {type(config).__name__}: see configs/demo.py")


def _with_config_files(argv: list[str]) -> list[str]:
    """The arguments with the file for each `--config` that names one of the project's configs."""
    behind = ["", *argv]
    return [
        f"{flag}={config_files.file(value)}"
        if flag in ("--config", "-config") and value
        else config_files.file(argument)
        if before in ("--config", "-config")
        else argument
        for before, argument in zip(behind, argv, strict=False)
        for flag, _, value in [argument.partition("=")]
    ]


def _unknown_key(error: KeyError, argv: list[str]) -> str:
    """The line for a flag whose key the config lacks; the library's error names only the key's last part."""
    missing, _, hint = str(error.args[0]).partition("\n")
    missing = missing.strip("'")
    flags_given = (argument.partition("=")[0].lstrip("-") for argument in argv)
    key = next((name for name in flags_given if missing in name.split(".")), missing)
    section, before, _ = key.partition(".before.")
    if before:  # the library sets no key that is not there
        whole = f"--{section}.before=\"{{'KEY': VALUE, ...}}\""
        return f"{key}: that section is empty, or lacks this key: set all of the section, as {whole}"
    return f"unknown config key {key}" + (
        f": {hint[:1].lower()}{hint[1:]}" if hint else ", which the config file lacks"
    )
