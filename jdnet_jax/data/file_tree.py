"""File trees: the files below a folder or in a zip archive behind one interface, so that archives need no unpacking."""

from __future__ import annotations

import abc
import dataclasses
import errno
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from jdnet_jax.data import photo_limits
from jdnet_jax.files import user_files


class FileTree(abc.ABC):
    """Read-only files, named by their path below a root, with forward slashes.

    Attributes:
        root: the folder, also where it is one inside an archive; for messages.
    """

    root: Path

    @abc.abstractmethod
    def files(self, pattern: str) -> dict[str, int]:
        """Sizes in bytes of the files that match, in alphabetical order; `*` stands for a name or a part of one."""

    @abc.abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            OSError: it is not there, cannot be read, or is larger than a photo may be.
        """

    @abc.abstractmethod
    def below(self, folder: str) -> FileTree:
        """The files below a folder of this tree; '.' is the tree itself."""


def open_tree(path: Path) -> FileTree:
    """The files of a folder or of a zip archive. The archive stays open as long as there is a tree on it.

    Raises:
        OSError: there is no such path.
        zipfile.BadZipFile: it is a file but not a zip archive.
    """
    if path.is_dir():
        return _Folder(path)
    return _Archive(path, zipfile.ZipFile(path), PurePosixPath(), threading.Lock())


@dataclasses.dataclass
class _Folder(FileTree):
    root: Path

    def files(self, pattern: str) -> dict[str, int]:
        paths = [path for path in self.root.glob(pattern) if path.is_file()]
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in sorted(paths)}

    def read(self, name: str) -> bytes:
        return user_files.read_bytes(self.root / name, photo_limits.MAX_BYTES)

    def below(self, folder: str) -> FileTree:
        return _Folder(self.root / folder)


@dataclasses.dataclass
class _Archive(FileTree):
    root: Path
    archive: zipfile.ZipFile
    prefix: PurePosixPath
    lock: threading.Lock  # zipfile reads from several threads at once only since Python 3.13

    def files(self, pattern: str) -> dict[str, int]:
        depth = len(PurePosixPath(pattern).parts)
        sizes = {}
        for entry in self.archive.infolist():
            path = PurePosixPath(entry.filename)
            if entry.is_dir() or not path.is_relative_to(self.prefix):
                continue
            path = path.relative_to(self.prefix)
            if len(path.parts) == depth and path.match(pattern):
                sizes[path.as_posix()] = entry.file_size
        return dict(sorted(sizes.items()))

    def read(self, name: str) -> bytes:
        try:
            with self.lock:
                entry = self.archive.getinfo(str(self.prefix / name))
                if entry.file_size > photo_limits.MAX_BYTES:
                    raise OSError(errno.EFBIG, f"more than {photo_limits.MAX_BYTES / 1e6:.0f} MB", name)
                with self.archive.open(entry) as file:
                    # `archive.read` unpacks all that is packed, whatever the header says of it.
                    content = file.read(entry.file_size)
                    file.read(1)  # at the end the checksum is compared
                if len(content) < entry.file_size:
                    raise EOFError
                return content
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "not in the archive", name) from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(errno.EIO, "damaged in the archive", name) from error
        except (NotImplementedError, RuntimeError) as error:
            raise OSError(errno.EIO, "packed in a way that Python's zipfile does not read", name) from error

    def below(self, folder: str) -> FileTree:
        return dataclasses.replace(self, root=self.root / folder, prefix=self.prefix / folder)
