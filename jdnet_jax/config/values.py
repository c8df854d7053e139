"""Kinds of config values: each describes what it allows, and refuses other values with an error that names the key.

This module imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ml_collections import ConfigDict

from jdnet_jax.process.errors import UserError, unknown


@runtime_checkable
class Values(Protocol):
    """A kind of config value. Its text is type and range, as error messages and the reference of keys show them."""

    def check(self, path: str, value: Any) -> None:
        """Raises a UserError that names `path` where the value is of another type or out of range."""


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `low` to `high`."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        fits = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        _require(fits, path, value, self)


@dataclass(frozen=True)
class Number:
    """Finite numbers from `low` to `high`; each end can be included or excluded."""

    low: float
    high: float
    above: bool = False
    below: bool = False

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        return f"a number {low} and {'below' if self.below else 'at most'} {self.high:g}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        fits = isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        fits = fits and not (self.above and value == self.low) and not (self.below and value == self.high)
        _require(fits, path, value, self)


@dataclass(frozen=True)
class YesNo:
    """True or False."""

    def __str__(self) -> str:
        return "True or False"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        _require(isinstance(value, bool), path, value, self)


@dataclass(frozen=True)
class YesNoOr:
    """True, False, or one of some names."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"True, False or {' or '.join(self.names)}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        _require(isinstance(value, bool) or (isinstance(value, str) and value in self.names), path, value, self)


@dataclass(frozen=True)
class Text:
    """Text without control characters or bytes that are no UTF-8; empty only where `empty` says so."""

    empty: bool = False

    def __str__(self) -> str:
        return "text" if self.empty else "text that is not empty"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        fits = isinstance(value, str) and (self.empty or bool(value))
        fits = fits and not any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF for c in value)
        _require(fits, path, value, self)


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        if not isinstance(value, str) or value not in self.names:
            raise UserError(f"{path}: {unknown('value', value, self.names)}")


@dataclass(frozen=True)
class Several:
    """A tuple of values of one kind: at least `least` of them, or exactly `count`."""

    each: Values
    least: int = 0
    count: int | None = None

    def __str__(self) -> str:
        some = self.count if self.count is not None else f"{self.least} or more" if self.least else ""
        return f"a tuple{f' of {some} entries' if some else ''}, each {self.each}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        fits = isinstance(value, tuple | list) and len(value) >= self.least
        _require(fits and self.count in (None, len(value)), path, value, self)
        for entry in value:
            self.each.check(path, entry)


@dataclass(frozen=True)
class Section:
    """A section whose keys the config chooses, such as names of networks."""

    each: Values

    def __str__(self) -> str:
        return f"a section, each of its values {self.each}"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        _require(isinstance(value, Mapping | ConfigDict), path, value, self)
        for key in value:
            self.each.check(f"{path}.{key}", value[key])


@dataclass(frozen=True)
class Options:
    """Options of a network or of a dataset's builder: plain values, checked there."""

    def __str__(self) -> str:
        return "text, a finite number, True, False, None, or a tuple or section of these"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        if isinstance(value, Mapping | ConfigDict):
            for key in value:
                self.check(f"{path}.{key}", value[key])
        elif isinstance(value, tuple | list):
            for entry in value:
                self.check(path, entry)
        else:
            finite = isinstance(value, int | float) and abs(value) < 2**63 and math.isfinite(value)
            _require(value is None or isinstance(value, str | bool) or finite, path, value, self)


@dataclass(frozen=True)
class Source:
    """The source of a network's initial weights: one name or path, or one for each branch of the network."""

    def __str__(self) -> str:
        return "text, or a section with one for each branch"

    def check(self, path: str, value: Any) -> None:
        """Checks a value; see `Values`."""
        (Section(Text()) if isinstance(value, Mapping | ConfigDict) else Text()).check(path, value)


def _require(fits: bool, path: str, value: Any, kind: Values) -> None:
    if not fits:
        shown = value.to_dict() if isinstance(value, ConfigDict) else value
        raise UserError(f"{path} is {_short(shown)}: it must be {kind}")


def _short(value: Any, limit: int = 100) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**limit:
        return f"a number of more than {limit} digits"  # Python refuses to write thousands of them
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."
