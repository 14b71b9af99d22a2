"""A lake in object storage: fsspec reaches it from here, the Spark server by its own classes and with its own keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from amkpi.core.errors import AmkpiError
from amkpi.transform.spark.session import first_line

# The scheme of the setting: what Spark calls it, and the package of fsspec.
SCHEMES = {
    "s3": ("s3a", "s3fs"),
    "s3a": ("s3a", "s3fs"),
    "gs": ("gs", "gcsfs"),
    "abfs": ("abfss", "adlfs"),
    "abfss": ("abfss", "adlfs"),
}
# What Spark says where the classes of a scheme are missing.
_NO_CLASSES = ("ClassNotFoundException", "No FileSystem for scheme", "UnsupportedFileSystemException")


class ObjectStorage:
    """The folder of one agency in a bucket. Nothing is asked of the storage before it is needed.

    address: as the setting gives it, as in s3://bucket/folder. agency: the name of the folder below it.
    """

    def __init__(self, address: str, agency: str) -> None:
        self._address = f"{address.rstrip('/')}/{agency}"
        self.scheme, _, rest = self._address.partition("://")
        self.for_spark = f"{SCHEMES[self.scheme][0]}://{rest}"

    def check(self) -> None:
        """Raise AmkpiError if the address holds a key or is none, or if the package for it is missing."""
        url = urlsplit(self._address)
        if url.password is not None or url.query or url.fragment or not url.hostname:
            # The address is not shown: it may hold a key.
            raise AmkpiError(
                f"setting lake: the {self.scheme}:// address is not written as {self.scheme}://bucket/folder; keys are"
                " given by the variables of the storage, never in the address"
            )
        self._open()

    def put(self, file: Path, name: str) -> None:
        """Copy a file of this machine to this name below the folder. Raises AmkpiError."""
        system, root = self._open()
        with self._told("write"):
            system.put_file(str(file), f"{root}/{name}")

    def get(self, folder: str, to: Path) -> None:
        """Copy the files <folder>/<schema>/<table>/<file>.parquet to this folder of this machine. Raises AmkpiError."""
        system, root = self._open()
        with self._told("read"):
            # fsspec may remember the folder as it was before Spark wrote.
            system.invalidate_cache()
            begin = f"{root}/{folder}/"
            names = [name.removeprefix(begin) for name in system.find(begin)]
            # Deeper down are the files of tasks that did not end.
            tables = [name for name in names if name.endswith(".parquet") and name.count("/") == 2]
            for name in tables:
                (to / name).parent.mkdir(parents=True, exist_ok=True)
            if tables:
                system.get([begin + name for name in tables], [str(to / name) for name in tables])

    def remove(self) -> None:
        """Remove the folder of the agency and all below it. Raises AmkpiError."""
        system, root = self._open()
        with self._told("remove"):
            system.invalidate_cache()
            if system.exists(root):
                system.rm(root, recursive=True)

    def _open(self) -> tuple[Any, str]:
        """The file system of fsspec, and the folder in its own spelling."""
        import fsspec

        try:
            system, root = fsspec.url_to_fs(self._address)
        except ImportError as error:
            package = SCHEMES[self.scheme][1]
            raise AmkpiError(f"setting lake: {self.scheme}:// needs the package {package}: install it") from error
        except Exception as error:  # each storage has its own errors
            raise AmkpiError(f"setting lake: {self.scheme}:// cannot be used: {first_line(error)}") from error
        return system, root

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Errors as AmkpiError in one line; the storages have no common class of errors."""
        try:
            yield
        except Exception as error:
            raise AmkpiError(f"cannot {what} in the lake {self._address}: {first_line(error)}") from error


def refusal_of_spark(scheme: str, error: Exception) -> str:
    """Why Spark cannot use a lake of this scheme, in one line."""
    if any(sign in str(error) for sign in _NO_CLASSES):
        return f"the Spark server has no classes for {scheme}://; docs/operations/engines.md says how to give it some"
    return f"the Spark server cannot use the lake by {scheme}://: {first_line(error)}"
