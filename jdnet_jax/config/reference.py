"""The reference of all config keys as a Markdown table: `python -m jdnet_jax.config.reference` prints it."""

from __future__ import annotations

from jdnet_jax.config.keys import KEYS, TERMS


def markdown() -> str:
    """A row for each key: default, what it may be, and what it means. Keys that every loss term has stand once."""
    lines = ["| key | default | may be | meaning |", "|---|---|---|---|"]
    seen = set()
    for name, key in KEYS.items():
        shown = name
        for term in TERMS:
            if name.startswith(f"losses.{term}.") and ".options." not in name:
                shown = name.replace(f"losses.{term}.", "losses.TERM.")
        if shown in seen:
            continue
        seen.add(shown)
        default = "1 (ce, mskd, ial), else 0" if shown == "losses.TERM.weight" else f"`{key.default!r}`"
        lines.append(f"| `{shown}` | {_cell(default)} | {_cell(str(key.values))} | {_cell(key.meaning)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
