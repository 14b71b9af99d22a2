"""dbt's parsed project, kept between builds: parsing takes 3 s, and gives the same result until a file changes.

dbt has a cache too, but parses everything again when a variable has changed, and `as_of` changes every day. Which
models exist, and what each of them reads, depends on the code alone: the variable `kpis` is the KPI catalogue, which
is in the models' ymls. The SQL of the models depends on other variables; dbt compiles it when they run.

The cache is for builds. It has no test that a build does not run: with them a build took a second longer.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT, IS_CHECKOUT
from amkpi.core.publication_id import GROUP_SOURCES, RESULT_SOURCES, pipeline_version

# Generic tests of keys and columns, as dbt selects them. A build runs none of them: each would take 0.05 s. The row
# checks and the models give these properties, and the tests of the project (tests/dbt_project) show that they hold.
TESTS_OF_THE_PROJECT = tuple(
    f"test_name:{name}" for name in ("not_null", "unique", "unique_combination", "relationships", "accepted_values")
)
# The file that dbt writes to its target folder when it has parsed the project.
_OF_DBT = "partial_parse.msgpack"


# What this process read last: the file as it was, and the project. Naming the causes of a change builds several times.
# dbt may be given one project for many builds: it renders the SQL of each again.
_last: tuple[tuple[Path, int, int], Any] | None = None


def load(home: Home, project: Path | None = None) -> Any | None:
    """The cached project as dbt's Manifest; None if dbt has to parse it. project: its folder, the agencies' if None."""
    return next(filter(None, map(_read, _places(home, project))), None)


def _read(place: Path) -> Any | None:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    global _last
    try:
        state = place.stat()
        file = (place, state.st_mtime_ns, state.st_size)
        if _last is not None and _last[0] == file:
            return _last[1]
        manifest = Manifest.from_msgpack(place.read_bytes(), decoder=extended_mashumuro_decoder)
    except Exception:  # noqa: BLE001 - no file, or a damaged one, on which dbt's reader fails in any way
        return None
    # Not part of the file; the KPI catalogue in the project reads it.
    manifest.build_flat_graph()
    _last = file, manifest
    return manifest


def save(home: Home, project: Path | None = None) -> None:
    """Store what dbt has just parsed: for all homes in a checkout, else for this home."""
    content = _for_builds((home.dbt_target / _OF_DBT).read_bytes())
    for place in _places(home, project):
        # A checkout may be read-only, as in the image. Without a cache, the next build parses again.
        with suppress(OSError):
            place.parent.mkdir(exist_ok=True)
            partial = place.with_name(f".{place.name}.{os.getpid()}")
            partial.write_bytes(content)
            for old in place.parent.glob("parsed_*.msgpack"):
                old.unlink(missing_ok=True)
            partial.replace(place)
            return


def _for_builds(parsed: bytes) -> bytes:
    """dbt's file without the tests that a build does not run."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumaro_encoder, extended_mashumuro_decoder

    def runs(node: Any) -> bool:
        metadata = getattr(node, "test_metadata", None)
        return metadata is None or f"test_name:{metadata.name}" not in TESTS_OF_THE_PROJECT

    manifest = Manifest.from_msgpack(parsed, decoder=extended_mashumuro_decoder)
    manifest.nodes = {name: node for name, node in manifest.nodes.items() if runs(node)}
    manifest.unit_tests = {}
    content = manifest.to_msgpack(extended_mashumaro_encoder)
    return content if isinstance(content, bytes) else content.encode()


def _places(home: Home, project: Path | None) -> tuple[Path, ...]:
    """Where the cache may be; its name is a hash of the code, the engine and the warehouse file that it is for.

    In a checkout it may be in the project's folder, for all homes. An installed package is never written to.
    """
    folder = project or DBT_PROJECT
    code = pipeline_version() if folder == DBT_PROJECT else pipeline_version(RESULT_SOURCES + GROUP_SOURCES)
    basis = [code, version("dbt-core"), version("dbt-duckdb"), home.warehouse.stem, str(folder)]
    name = f"parsed_{hashlib.sha256('|'.join(basis).encode()).hexdigest()[:16]}.msgpack"
    of_home = home.dbt_target / name
    return (folder / "target" / name, of_home) if IS_CHECKOUT else (of_home,)
