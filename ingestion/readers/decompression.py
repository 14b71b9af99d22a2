"""The bytes of a delivered file: hashed, decompressed within a limit, and decoded. Only in memory, never on disk."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import zstandard

from amkpi.ingestion.readers.record_batches import Unreadable

CHUNK = 1 << 20
# 2 KiB of zstd decompress to at most 64 MiB: no chunk of a decompression bomb fills the memory.
_ZSTD_CHUNK = 2048
_ZSTD_WINDOW = 1 << 27
PACKED = (".gz", ".zst")
TEXT = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl")
BINARY = (".parquet", ".xlsx")
# The first bytes of files that are often delivered with a wrong ending: what such a file is, and what to do.
_BEGINNINGS = (
    (b"PK\x03\x04", "a zip or an Excel workbook", "rename a workbook to .xlsx, unpack a zip before delivery"),
    (b"\x1f\x8b", "compressed with gzip", "rename it to end in .gz, such as .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "rename it to end in .zst, such as .csv.zst"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook or one with a password", "save it as .xlsx without a password"),
    (b"%PDF-", "a PDF", "deliver the table that it was made from"),
)
# 2 GiB, as the setting max_unpacked_bytes.
DEFAULT_LIMIT = 2 * 1024**3


@dataclass(frozen=True)
class Content:
    """The result of a first look at a file. size: in bytes; problem: why it cannot be read, whatever its rows are."""

    sha256: str
    size: int
    encoding: str
    problem: str | None = None


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
    own = {".xlsx": b"PK\x03\x04", ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}.get(suffix)
    if kind not in TEXT and own is None:
        return None
    name = {".xlsx": "XLSX", ".gz": "gzip", ".zst": "zstd"}.get(suffix, suffix.removeprefix(".").upper())
    for beginning, what, fix in _BEGINNINGS:
        if beginning != own and start.startswith(beginning):
            return f"not readable as {name}: this is {what}; {fix}"
    if suffix == ".xlsx" and not start.startswith(b"PK"):
        return (
            "not readable as XLSX: this is not a workbook; rename delimited text to .csv, save anything else as .xlsx"
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


def chunks(path: Path, limit: int = DEFAULT_LIMIT) -> Iterator[bytes]:
    """The bytes of the file, decompressed if its name ends in .gz or .zst. Raises Unreadable."""
    packed = PurePosixPath(path.name.lower()).suffix
    if packed == ".gz":
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
            raise Unreadable(
                f"decompresses to more than {limit} bytes: deliver it in parts, or raise the setting max_unpacked_bytes"
            )
        yield chunk


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


def text_chunks(path: Path, encoding: str, limit: int = DEFAULT_LIMIT) -> Iterator[str]:
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


def utf8_chunks(path: Path, encoding: str, limit: int = DEFAULT_LIMIT) -> Iterator[bytes]:
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
