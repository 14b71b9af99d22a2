"""Makes a PDF smaller: its small objects go, compressed, into object streams (PDF 1.5, ISO 32000-1, 7.5.7 and 7.5.8).

A tagged PDF has an object for each cell of a table. Typst writes them as plain text, which is two thirds of the file.
"""

from __future__ import annotations

import re
import zlib

# Readers unpack a whole object stream to read one object of it.
_PER_STREAM = 200
_TRAILER = re.compile(rb"trailer\s*<<(.*?)>>\s*startxref\s+(\d+)\s+%%EOF\s*$", re.DOTALL)


def with_object_streams(pdf: bytes) -> bytes:
    """The same document with compressed objects; as it is where it has no plain cross-reference table.

    Equal bytes for equal bytes. Signed and incrementally updated files are not what this is for.
    """
    end = _TRAILER.search(pdf)
    if end is None or not pdf.startswith(b"xref", int(end[2])):
        return pdf
    objects = _objects(pdf, int(end[2]))
    whole = {number: body for number, body in objects.items() if body.endswith(b"endstream")}
    small = [number for number in sorted(objects) if number not in whole]
    out = bytearray(pdf[: min(_offsets(pdf, int(end[2])).values())])
    places: dict[int, tuple[int, int, int]] = {}
    for number in sorted(whole):
        places[number] = (1, len(out), 0)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, whole[number])
    following = max(objects) + 1
    for first in range(0, len(small), _PER_STREAM):
        group = small[first : first + _PER_STREAM]
        places |= {number: (2, following, place) for place, number in enumerate(group)}
        places[following] = (1, len(out), 0)
        out += _object_stream(following, [(number, objects[number]) for number in group])
        following += 1
    places[following] = (1, len(out), 0)
    start = len(out)
    # Field widths 1, 4 and 2 bytes; object 0 is the head of the free objects.
    rows = [places.get(number, (0, 0, 0)) for number in range(following + 1)]
    table = zlib.compress(b"".join(bytes([kind]) + at.to_bytes(4) + place.to_bytes(2) for kind, at, place in rows), 9)
    kept = re.sub(rb"/Size\s+\d+", b"", end[1]).strip()
    out += b"%d 0 obj\n<</Type/XRef/Size %d/W[1 4 2]/Filter/FlateDecode/Length %d %s>>\nstream\n" % (
        following, following + 1, len(table), kept,
    )  # fmt: skip
    return bytes(out + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start)


def _offsets(pdf: bytes, start: int) -> dict[int, int]:
    """Where each object begins, by its number, from the cross-reference table that begins at `start`."""
    found: dict[int, int] = {}
    at = start + len(b"xref")
    while section := re.compile(rb"\s*(\d+) (\d+)\s+").match(pdf, at):
        first, count = int(section[1]), int(section[2])
        at = section.end()
        for place in range(count):
            entry = pdf[at + 20 * place : at + 20 * place + 18]
            if entry.endswith(b"n"):
                found[first + place] = int(entry[:10])
        at += 20 * count
    return found


def _objects(pdf: bytes, start: int) -> dict[int, bytes]:
    """The content of each object by its number."""
    offsets = _offsets(pdf, start)
    ends = dict(zip(sorted(offsets.values()), [*sorted(offsets.values())[1:], start], strict=True))
    found = {}
    for number, offset in offsets.items():
        text = pdf[offset : ends[offset]]
        found[number] = text[text.index(b"obj") + 3 : text.rindex(b"endobj")].strip()
    return found


def _object_stream(number: int, objects: list[tuple[int, bytes]]) -> bytes:
    heads, body = [], bytearray()
    for each, content in objects:
        heads.append(b"%d %d" % (each, len(body)))
        body += content + b"\n"
    head = b" ".join(heads) + b"\n"
    packed = zlib.compress(head + bytes(body), 9)
    return b"%d 0 obj\n<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream\nendobj\n" % (
        number, len(objects), len(head), len(packed), packed,
    )  # fmt: skip
