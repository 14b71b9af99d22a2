"""The bytes of a delivered file: hashed, decompressed within a limit, and decoded. Only in memory, never on disk.

A delivered file may be a zip; the files in it (`Member`) are read in the same way as a delivered file.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import zstandard

from amkpi.ingestion.readers.record_batches import Unreadable

CHUNK = 1 << 20
# 2 KiB of zstd decompress to at most 64 MiB: no chunk of a decompression bomb fills the memory.
_ZSTD_CHUNK = 2048
_ZSTD_WINDOW = 1 << 27
PACKED = (".gz", ".zst")
TEXT = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ZIP, _COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# The first bytes of a format; an Excel workbook is read by its content, whichever of its endings it has.
_OWN = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls"), (_ZIP, _COMPOUND)),
    ".ods": (_ZIP,),
    ".zip": (_ZIP, b"PK\x05\x06"),
    ".gz": (b"\x1f\x8b",),
    ".zst": (b"\x28\xb5\x2f\xfd",),
}
# The first bytes of files that are often delivered with a wrong ending: what such a file is, and what to do.
_BEGINNINGS = (
    (
        _ZIP,
        "a zip or an Excel workbook",
        "rename a workbook to .xlsx, and a zip to .zip; a document cannot be read",
    ),
    (b"\x1f\x8b", "compressed with gzip", "rename it to end in .gz, such as .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "rename it to end in .zst, such as .csv.zst"),
    (_COMPOUND, "an old Excel workbook or one with a password", "rename it to .xls, or save it without a password"),
    (b"%PDF-", "a PDF", "deliver the table that it was made from"),
    (b"\xff\xd8\xff", "a picture", "deliver the table that it shows"),
    (b"\x89PNG", "a picture", "deliver the table that it shows"),
)
# The first bytes of a file of which archive/ keeps the rows without names, whatever its ending.
ERASED = b'{"amkpi":"rows of a delivered file, in which names were replaced","version":1}'
# 2 GiB, as the setting max_unpacked_bytes.
DEFAULT_LIMIT = 2 * 1024**3


# Some formats need the whole file. From a zip, such a file is unpacked into memory, up to this size.
_LARGEST_MEMBER = 256 << 20
_MOST_MEMBERS = 100
_ARCHIVES = (".zip", ".gz", ".zst", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True)
class Member:
    """A file within a zip: its place among the entries of the zip, and its path there."""

    archive: Path
    place: int
    path: str

    @property
    def name(self) -> str:
        """The name of the file, without its folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Content:
    """The result of a first look at a file. size: in bytes; problem: why it cannot be read, whatever its rows are.

    is_erased: it has the rows of a delivered file without names (`amkpi.ingestion.erasure.container`).
    """

    sha256: str
    size: int
    encoding: str
    problem: str | None = None
    is_erased: bool = False


def ending(name: str) -> str:
    """The ending that tells the format, with that of the compression: `.csv`, `.ndjson.gz`; empty if there is none."""
    path = PurePosixPath(name.lower())
    if path.suffix in PACKED:
        return PurePosixPath(path.stem).suffix + path.suffix
    return path.suffix


def examine(path: Path, limit: int = DEFAULT_LIMIT) -> Content:
    """Hash the file, and find the encoding of a text.

    UTF-8 with or without BOM, UTF-16 with BOM, else windows-1258 (the "CSV" of a Vietnamese Excel). That is tried last,
    since nearly every byte string is valid windows-1258. limit: of the decompressed size, in bytes.
    """
    digest = hashlib.sha256()
    size = 0
    start = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            start = start or chunk
            digest.update(chunk)
            size += len(chunk)
    encoding = "utf-8-sig"
    if start.startswith(ERASED):
        return Content(digest.hexdigest(), size, "utf-8", is_erased=True)
    kind = ending(path.name)
    problem = _mistaken(kind, start)
    if problem is None and (PurePosixPath(kind).stem in TEXT or kind in TEXT):
        try:
            encoding = _encoding(chunks(path, limit))
        except Unreadable as error:
            problem = str(error)
    return Content(digest.hexdigest(), size, encoding, problem)


def _mistaken(kind: str, start: bytes) -> str | None:
    """Why a file with these first bytes does not have the format of its ending; None if it may have it."""
    suffix = PurePosixPath(f"a{kind}").suffix
    own = _OWN.get(suffix, ())
    if kind not in TEXT and not own:
        return None
    name = {".gz": "gzip", ".zst": "zstd"}.get(suffix, suffix.removeprefix(".").upper())
    for beginning, what, fix in _BEGINNINGS:
        if beginning not in own and start.startswith(beginning):
            return f"not readable as {name}: this is {what}; {fix}"
    if suffix in WORKBOOKS and not start.startswith(own):
        return (
            f"not readable as {name}: this is not a workbook; rename delimited text to .csv, save anything else"
            " as .xlsx"
        )
    return None


def _encoding(parts: Iterator[bytes]) -> str:
    utf8 = codecs.getincrementaldecoder("utf-8")()
    start = b""
    encoding = "utf-8-sig"
    for chunk in parts:
        if len(start) < 2:
            start += chunk[:2]
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                encoding = "utf-16"
            elif len(start) == 2 and start.count(0) == 1:
                # In UTF-16, every second byte of ASCII letters is zero.
                raise Unreadable("the text is UTF-16 without a byte order mark, or not text at all: save it as UTF-8")
        # Read to the end in any case: this also shows whether the file can be decompressed.
        if encoding == "utf-8-sig" and not (chunk.isascii() and not utf8.getstate()[0]):
            try:
                utf8.decode(chunk)
            except UnicodeDecodeError:
                encoding = "cp1258"
    if encoding == "utf-8-sig" and utf8.getstate()[0]:
        encoding = "cp1258"
    return encoding


def members(path: Path, limit: int = DEFAULT_LIMIT) -> list[Member]:
    """The files within a zip, in the order of their paths. Raises Unreadable if one of them must not be read.

    limit: of their size together when they are decompressed, in bytes; a zip never gives more than it declares.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = list(enumerate(archive.infolist()))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable(f"not readable as zip: {error}") from error
    if not all(entry.filename for _, entry in entries):
        raise Unreadable("the zip has a file without a name: pack it again")
    # macOS adds files of its own.
    files = [
        (place, entry)
        for place, entry in entries
        if not (entry.is_dir() or entry.filename.startswith("__MACOSX/"))
        and not PurePosixPath(entry.filename).name.startswith(".")
    ]
    if not files:
        raise Unreadable("the zip has no file in it")
    if len(files) > _MOST_MEMBERS:
        raise Unreadable(f"the zip has {len(files)} files, more than {_MOST_MEMBERS}: deliver it in parts")
    if sum(entry.file_size for _, entry in files) > limit:
        raise Unreadable(_too_large(limit))
    for _, entry in files:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
            raise Unreadable(f"the zip has a file that leads out of it ({name}): pack it again")
        if name.lower().endswith(_ARCHIVES):
            raise Unreadable(f"the zip has an archive in it ({name}): deliver that alone")
        if entry.flag_bits & 1:
            raise Unreadable("the zip has a password: deliver it without one")
    return sorted((Member(path, place, entry.filename) for place, entry in files), key=lambda each: each.path)


def examine_member(member: Member, limit: int = DEFAULT_LIMIT) -> Content:
    """The encoding of a text within a zip, or why it cannot be read; its hash is not of interest."""
    kind = ending(member.name)
    try:
        start = next(chunks(member, limit), b"")
        problem = _mistaken(kind, start)
        encoding = _encoding(chunks(member, limit)) if problem is None and kind in TEXT else "utf-8-sig"
    except Unreadable as error:
        return Content("", 0, "utf-8-sig", str(error))
    return Content("", 0, encoding, problem)


def opened(path: Path | Member, limit: int = DEFAULT_LIMIT) -> BinaryIO:
    """The file, to be read at any place. Raises Unreadable for one within a zip that is too large for that."""
    if isinstance(path, Path):
        return path.open("rb")
    most = min(limit, _LARGEST_MEMBER)
    return io.BytesIO(b"".join(_limited(_unzipped(path), most)))


def _unzipped(member: Member) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(member.archive) as archive, archive.open(archive.infolist()[member.place]) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        # RuntimeError: it is encrypted, or compressed by an unknown method.
        raise Unreadable(f"not readable as zip: {' '.join(str(error).split())[:300]}") from error


def chunks(path: Path | Member, limit: int = DEFAULT_LIMIT) -> Iterator[bytes]:
    """The bytes of the file, decompressed if its name ends in .gz or .zst. Raises Unreadable."""
    packed = PurePosixPath(path.name.lower()).suffix
    if isinstance(path, Member):
        yield from _limited(_unzipped(path), limit)
    elif packed == ".gz":
        yield from _limited(_gunzipped(path), limit)
    elif packed == ".zst":
        yield from _limited(_unzstd(path), limit)
    else:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def _limited(parts: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in parts:
        size += len(chunk)
        if size > limit:
            raise Unreadable(_too_large(limit))
        yield chunk


def _too_large(limit: int) -> str:
    return f"decompresses to more than {limit} bytes: deliver it in parts, or raise the setting max_unpacked_bytes"


def _gunzipped(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable(f"not readable as gzip: {error}") from error
    except EOFError as error:
        raise Unreadable("not readable as gzip: it is cut off; deliver it again") from error


def _unzstd(path: Path) -> Iterator[bytes]:
    # Frame by frame: the file reader of the library accepts a file that is cut off.
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = None
    try:
        with path.open("rb") as file:
            while piece := file.read(_ZSTD_CHUNK):
                while piece:
                    frame = frame or decompressor.decompressobj()
                    if unpacked := frame.decompress(piece):
                        yield unpacked
                    piece = frame.unused_data if frame.eof else b""
                    frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise Unreadable(f"not readable as zstd: {error}") from error
    if frame is not None:
        raise Unreadable("not readable as zstd: it is cut off; deliver it again")


def text_chunks(path: Path | Member, encoding: str, limit: int = DEFAULT_LIMIT) -> Iterator[str]:
    """The text of the file, without its byte order mark. Raises Unreadable."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks(path, limit):
            if text := decoder.decode(chunk):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text
    except UnicodeError as error:
        name = {"cp1258": "UTF-8 nor as windows-1258", "utf-16": "UTF-16"}.get(encoding, "UTF-8")
        raise Unreadable(
            f"the text is not readable as {name} ({getattr(error, 'reason', error)}): save it as UTF-8"
        ) from error


def utf8_chunks(path: Path | Member, encoding: str, limit: int = DEFAULT_LIMIT) -> Iterator[bytes]:
    """The text of the file as UTF-8, without a byte order mark. Raises Unreadable."""
    if encoding != "utf-8-sig":
        for text in text_chunks(path, encoding, limit):
            # A decoder never gives a lone surrogate, so this cannot fail.
            yield text.encode()
        return
    start: bytes | None = b""
    for chunk in chunks(path, limit):
        if start is None:
            yield chunk
            continue
        start += chunk
        if len(start) >= len(codecs.BOM_UTF8):
            yield start.removeprefix(codecs.BOM_UTF8)
            start = None
    if start:
        yield start
