"""Hand-offs of three teachers that were never trained, of different widths."""

from tests import tiny_student

WIDTHS = {"a": 4, "b": 5, "c": 6}


def save(folder, classes):
    """Writes them, each of these classes, and returns name -> (width, folder)."""
    return {
        name: (width, tiny_student.save(folder / name, options={"width": width}, classes=tuple(classes)))
        for name, width in WIDTHS.items()
    }
