"""A lake in object storage: what goes there, what comes back, what is told. The bucket of these tests is in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from amkpi.core.errors import AmkpiError
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.transform.dbt_runner import create_audit_tables
from amkpi.transform.spark import build
from amkpi.transform.spark.lake import Lake, source_tables
from tests.changed_settings import changed
from tests.conftest import Agency


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    """What fsspec knows under s3://, in memory."""

    protocol = "s3"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("s3://").strip("/")


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(Bucket, "store", {})
    monkeypatch.setattr(Bucket, "pseudo_dirs", [""])
    # The name fsspec.registry is the list itself, which only fsspec can change.
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "s3", Bucket)
    return Bucket(skip_instance_cache=True)


def lake_of(agency: Agency, address: str = "s3://bucket/kpi") -> Lake:
    return Lake(agency.home, changed(agency.run.settings, lake=address))


def folder_of(agency: Agency) -> str:
    return lake_of(agency).prefix.rstrip("_")


class Asked:
    """A session that keeps what it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.statements: list[str] = []
        self.error = error

    def sql(self, text: str) -> None:
        if self.error:
            raise self.error
        self.statements.append(text)


@pytest.mark.slow
def test_rows_go_into_the_bucket_and_stay_nowhere_else(agency: Agency, bucket: Bucket) -> None:
    lake = lake_of(agency)
    with agency.warehouse() as connection:
        create_tables(connection)
        create_audit_tables(connection)
        check_rows(connection, agency.run.settings.kpi.reporting_currency)
        lake.make()
        lake.write_rows(connection)
    begin = f"/bucket/kpi/{folder_of(agency)}/rows/"
    assert set(bucket.find(begin)) == {f"{begin}{schema}/{table}/rows.parquet" for schema, table in source_tables()}
    assert [path for path in agency.home.lake.rglob("*") if path.is_file()] == []
    assert agency.home.lake.stat().st_mode & 0o077 == 0


def test_spark_gets_the_address_by_which_it_knows_the_bucket(agency: Agency) -> None:
    session = Asked()
    lake_of(agency, "s3://bucket/kpi/").show_to(session)
    places = [text.split(" location ")[1] for text in session.statements if " location " in text]
    begin = f"'s3a://bucket/kpi/{folder_of(agency)}/"
    assert len(places) > 20
    assert all(place.startswith((f"{begin}rows/", f"{begin}built/")) for place in places)


def test_only_whole_tables_come_back(agency: Agency, bucket: Bucket) -> None:
    lake = lake_of(agency)
    lake.make()
    built = f"/bucket/kpi/{folder_of(agency)}/built"
    bucket.pipe(f"{built}/marts/kpi_values/part-0.snappy.parquet", b"one")
    bucket.pipe(f"{built}/marts/kpi_values/_SUCCESS", b"")
    bucket.pipe(f"{built}/marts/kpi_values/_temporary/0/part-1.snappy.parquet", b"of a task that did not end")
    bucket.pipe(f"{built}/kpis/int_scores/part-0.snappy.parquet", b"two")
    lake.bring_back()
    found = {str(path.relative_to(lake.built)): path.read_bytes() for path in lake.built.rglob("*") if path.is_file()}
    assert found == {
        "marts/kpi_values/part-0.snappy.parquet": b"one",
        "kpis/int_scores/part-0.snappy.parquet": b"two",
    }


def test_an_agency_removes_only_its_own_folder(agency: Agency, bucket: Bucket, tmp_path: Path) -> None:
    other = Agency.at(tmp_path / "other")
    for each in (agency, other):
        bucket.pipe(f"/bucket/kpi/{folder_of(each)}/rows/validated/contracts/rows.parquet", b"x")
    bucket.pipe("/bucket/kpi/of somebody else", b"x")
    lake_of(agency).remove()
    assert bucket.find("/bucket") == [
        f"/bucket/kpi/{folder_of(other)}/rows/validated/contracts/rows.parquet",
        "/bucket/kpi/of somebody else",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "s3://key:secret@bucket/lake",
        "s3://AKIA:sec/secret@bucket/lake",
        "s3://secret@bucket/lake",
        "s3://bucket/lake?token=secret",
        "s3:///secret",
        "s3://bucket/#secret",
        "s3:/secret/lake",
        "s3:secret",
        "S3://secret/lake",
        "s3://bucket//secret",
        "s3://bucket/secret/../other",
        "s3://bucket/./secret",
        "s3://bucket/secret[1]",
        "s3://bucket/secret*",
        "s3://[secret/lake",
        "s3://",
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(agency: Agency, address: str) -> None:
    for action in (Lake.make, Lake.check, Lake.remove):
        with pytest.raises(
            AmkpiError, match=r"the s3:// address is not written as s3://bucket/folder; keys are"
        ) as told:
            action(lake_of(agency, address))
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("address", ["s3://bucket", "s3://my.bucket-1/", "s3a://bucket/a/của_b/year=2026/..c"])
def test_an_address_may_have_any_number_of_folders(agency: Agency, address: str) -> None:
    session = Asked()
    lake_of(agency, address).show_to(session)
    path = address.partition("://")[2].rstrip("/")
    assert f"'s3a://{path}/{folder_of(agency)}/" in session.statements[1]


def test_the_container_of_an_azure_address_is_no_key(agency: Agency) -> None:
    lake = lake_of(agency, "abfs://container@account.dfs.core.windows.net/kpi")
    session = Asked()
    lake.show_to(session)
    assert f"'abfss://container@account.dfs.core.windows.net/kpi/{folder_of(agency)}/" in session.statements[1]
    with pytest.raises(AmkpiError, match=r"setting lake: abfs:// needs the package adlfs: install it"):
        lake.make()
    with pytest.raises(
        AmkpiError, match=r"not written as abfs://container@account.dfs.core.windows.net/folder"
    ) as told:
        lake_of(agency, "abfs://container:secret@account/kpi").make()
    assert "secret" not in str(told.value)


def test_a_storage_that_refuses_is_told_in_one_line(
    agency: Agency, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError("Access Denied\nRequest 17")

    lake = lake_of(agency)
    lake.make()
    monkeypatch.setattr(Bucket, "find", refuse)
    with pytest.raises(
        AmkpiError, match=rf"^cannot read from the lake s3://bucket/kpi/{folder_of(agency)}: Access Den.*d$"
    ):
        lake.bring_back()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            "java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found",
            r"the Spark server lacks a class for s3a:// \(java.lang.Class.* not found\); docs/operations/engines.md",
        ),
        (
            "\nAccessDenied: no rights\nstack",
            "the Spark server cannot use the lake by s3a://: AccessDenied: no rights$",
        ),
    ],
)
def test_a_server_that_cannot_use_the_bucket_is_told(agency: Agency, error: str, told: str) -> None:
    with pytest.raises(AmkpiError, match=told):
        lake_of(agency).show_to(Asked(RuntimeError(error)))


def test_a_file_that_the_storage_keeps_without_an_error_is_told(
    agency: Agency, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = f"/bucket/kpi/{folder_of(agency)}/rows/validated/contracts/rows.parquet"
    bucket.pipe(kept, b"x")
    # S3 answers so where the right to delete is missing, and s3fs does not look at it.
    monkeypatch.setattr(Bucket, "rm", lambda *arguments, **options: None)
    with pytest.raises(
        AmkpiError, match=f"^cannot empty the lake s3://bucket/kpi/.*: the storage did not remove {kept}$"
    ):
        lake_of(agency).remove()


def test_what_could_not_be_removed_after_a_build_is_told_and_the_build_stands(
    agency: Agency, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def session(*arguments: Any) -> Iterator[Asked]:
        yield Asked()

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError("no right to delete")

    fetched: list[bytes] = []

    def ran(*arguments: Any, variables: dict[str, str] | None = None, **options: Any) -> tuple[int, int]:
        if variables:
            fetched.append((Path(variables["rows_from"]) / "marts/x/part-0.parquet").read_bytes())
        else:
            bucket.pipe(f"/bucket/kpi/{folder_of(agency)}/built/marts/x/part-0.parquet", b"built by Spark")
        return 1, 2

    monkeypatch.setattr(build, "spark_session", session)
    monkeypatch.setattr(Lake, "write_rows", lambda self, connection: None)
    monkeypatch.setattr(build, "run_dbt", ran)
    monkeypatch.setattr(Bucket, "rm", refuse)
    told: list[str] = []
    settings = changed(agency.run.settings, lake="s3://bucket/kpi")
    assert build.build_on_spark(agency.home, settings, date(2026, 7, 1), ["build"], told.append) == (1, 2)
    assert fetched == [b"built by Spark"]
    address = f"s3://bucket/kpi/{folder_of(agency)}"
    assert told == [f"cannot empty the lake {address}: no right to delete; the next build on Spark tries it again"]
