"""A lake in object storage: fsspec reaches it from here, the Spark server by its own classes and with its own keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
# No place for a key, for what fsspec takes for a pattern, and for what Spark would shorten, as // and /../.
_FOLDERS = r"(?:/(?!\.{1,2}(?:/|$))[\w.=-]+)*/?"
_ADDRESSES = (
    (re.compile(rf"(?:s3a?|gs)://[a-z0-9][a-z0-9._-]+{_FOLDERS}"), "bucket/folder"),
    (re.compile(rf"abfss?://[a-z0-9-]+@[a-z0-9.-]+{_FOLDERS}"), "container@account.dfs.core.windows.net/folder"),
)
# What Spark says where the classes of a scheme are missing.
_NO_CLASSES = ("ClassNotFoundException", "No FileSystem for scheme", "UnsupportedFileSystemException")


def is_object_storage(lake: str) -> bool:
    """Whether a value of the setting means object storage, rightly written or not."""
    return lake.partition(":")[0].lower() in SCHEMES and ":" in lake


class ObjectStorage:
    """The folder of one agency in a bucket. Nothing is asked of the storage before it is needed.

    given: the setting, as in s3://bucket/folder. agency: the name of the folder below it.
    """

    def __init__(self, given: str, agency: str) -> None:
        self._given = given
        self._agency = agency
        self.scheme = given.partition(":")[0].lower()

    @property
    def address(self) -> str:
        """The address of the folder. Raises AmkpiError if the setting is not written as one: it may hold a key."""
        address, form = _ADDRESSES[self.scheme.startswith("abfs")]
        if not address.fullmatch(self._given):
            raise AmkpiError(
                f"setting lake: the {self.scheme}:// address is not written as {self.scheme}://{form}; keys are given"
                " by the variables of the storage, never in the address"
            )
        return f"{self._given.rstrip('/')}/{self._agency}"

    @property
    def for_spark(self) -> str:
        """The same address as Spark writes it. Raises AmkpiError as `address` does."""
        return f"{SCHEMES[self.scheme][0]}://{self.address.partition('://')[2]}"

    def check(self) -> None:
        """Raise AmkpiError if the setting is not written as an address, or if the package for it is missing."""
        self._open()

    def put(self, file: Path, name: str) -> None:
        """Copy a file of this machine to this name below the folder. Raises AmkpiError."""
        system, root = self._open()
        with self._told("write into"):
            system.put_file(str(file), f"{root}/{name}")

    def get(self, folder: str, to: Path) -> None:
        """Copy the files <folder>/<schema>/<table>/<file>.parquet to this folder of this machine. Raises AmkpiError."""
        system, root = self._open()
        with self._told("read from"):
            begin = f"{root}/{folder}/"
            names = [name.removeprefix(begin) for name in _files(system, begin)]
            # Deeper down are the files of tasks that did not end.
            tables = [name for name in names if name.endswith(".parquet") and name.count("/") == 2]
            for name in tables:
                (to / name).parent.mkdir(parents=True, exist_ok=True)
            if tables:
                system.get([begin + name for name in tables], [str(to / name) for name in tables])

    def remove(self) -> None:
        """Remove the folder of the agency and all below it. Raises AmkpiError, also where a file is still there."""
        system, root = self._open()
        with self._told("empty"):
            # Without files there may be the empty object by which Spark marks a folder.
            if _files(system, root) or system.exists(root):
                system.rm(root, recursive=True)
            # A storage may refuse to remove single files without an error.
            left = _files(system, root)
        if left:
            raise AmkpiError(f"cannot empty the lake {self.address}: the storage did not remove {left[0]}")

    def _open(self) -> tuple[Any, str]:
        """The file system of fsspec, and the folder in its own spelling."""
        import fsspec

        address = self.address
        try:
            system, root = fsspec.url_to_fs(address)
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
            raise AmkpiError(f"cannot {what} the lake {self.address}: {first_line(error)}") from error


def _files(system: Any, folder: str) -> list[str]:
    """All files below a folder, as they are now: fsspec may remember it as it was before Spark wrote."""
    system.invalidate_cache()
    try:
        return list(system.find(folder))
    except FileNotFoundError:
        return []


def refusal_of_spark(scheme: str, error: Exception) -> str:
    """Why Spark cannot use a lake of this scheme, in one line."""
    if any(sign in str(error) for sign in _NO_CLASSES):
        return (
            f"the Spark server lacks a class for {scheme}:// ({first_line(error)});"
            " docs/operations/engines.md says how to give it some"
        )
    return f"the Spark server cannot use the lake by {scheme}://: {first_line(error)}"
