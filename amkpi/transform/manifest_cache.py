"""dbt's reading of its project, kept from build to build: it takes dbt 3 s, and gives the same until a file changes.

dbt keeps one too, but reads everything anew whenever a variable is another, and `as_of` is another every day. Which
models there are, and what each reads, hangs on no variable; their SQL, which does, is made when they run.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.publication_id import pipeline_version

# What dbt writes beside its logs when it has read the project.
_OF_DBT = "partial_parse.msgpack"


def kept(home: Home) -> Any | None:
    """The project as it was read before, as dbt's Manifest; None where it must be read."""
    return next(filter(None, map(_read, _places(home))), None)


def _read(place: Path) -> Any | None:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        manifest = Manifest.from_msgpack(place.read_bytes(), decoder=extended_mashumuro_decoder)
    except Exception:  # noqa: BLE001 - there is none, or a damaged one makes dbt's reader fail however it does
        return None
    # Not kept in the file; the catalogue of KPIs is read from it.
    manifest.build_flat_graph()
    return manifest


def keep(home: Home) -> None:
    """Keep what dbt has just read: beside the project, for every home, else in this one's folder of dbt."""
    read = home.dbt_target / _OF_DBT
    for place in _places(home):
        # An installed project may be read-only. What cannot be kept is read again.
        with suppress(OSError):
            place.parent.mkdir(exist_ok=True)
            partial = place.with_name(f".{place.name}.{os.getpid()}")
            partial.write_bytes(read.read_bytes())
            for old in place.parent.glob("parsed_*.msgpack"):
                old.unlink(missing_ok=True)
            partial.replace(place)
            return


def _places(home: Home) -> tuple[Path, Path]:
    """Where it may be kept, under a name that says of which program, engine and warehouse file it is."""
    basis = [pipeline_version(), version("dbt-core"), version("dbt-duckdb"), home.warehouse.stem, str(DBT_PROJECT)]
    name = f"parsed_{hashlib.sha256('|'.join(basis).encode()).hexdigest()[:16]}.msgpack"
    return DBT_PROJECT / "target" / name, home.dbt_target / name
