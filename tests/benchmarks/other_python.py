"""The Python that has torch, which the project itself does not depend on."""

import os


def other_python() -> str:
    """Its path, which JDNET_PARITY_PYTHON names; ends the command where it does not."""
    found = os.environ.get("JDNET_PARITY_PYTHON")
    if not found:
        raise SystemExit("JDNET_PARITY_PYTHON names no Python: make one as the README's section Develop says")
    return found
