"""Hand-offs of three teachers that were never trained, of different widths."""

from tests import tiny_student

WIDTHS = {"a": 4, "b": 5, "c": 6}


def save(folder, classes):
    """Writes them, and returns name -> (width, folder)."""
    names = tuple(f"class {i}" for i in range(classes))
    return {
        name: (width, tiny_student.save(folder / name, options={"width": width}, classes=names))
        for name, width in WIDTHS.items()
    }
