"""The proof of a lake in object storage: the example is built on Spark by way of a bucket, and compared with DuckDB's.

Part of `make test-spark`. The server of S3 is moto's, on this machine; Spark's classes for it come from a package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.transform.spark.lake import Lake
from amkpi.transform.spark.session import local_server
from tests.conftest import Agency
from tests.transform.spark.parity import compare
from tests.transform.spark.proof import example

pytestmark = pytest.mark.slow
JARS = Path(sys.prefix) / "s3"
LAKE = "s3://lake/kpi"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """An empty bucket of a server of S3 on a port of 127.0.0.1, which fsspec finds by the variables of S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")
        made = boto3.resource("s3").Bucket("lake")
        made.create(CreateBucketConfiguration={"LocationConstraint": "ap-southeast-1"})
        yield made
    server.stop()


@pytest.fixture(scope="module")
def spark_with_s3(bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server of Spark with the classes for S3, as Spark's own file of options gives them to it."""
    folder = tmp_path_factory.mktemp("server")
    classes = ":".join(map(str, sorted(JARS.glob("*.jar"))))
    assert classes, f"no jars in {JARS}: run make test-spark"
    options = {
        "spark.driver.extraClassPath": classes,
        "spark.hadoop.fs.s3a.endpoint": bucket.meta.client.meta.endpoint_url,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        # The package's classes are of Hadoop 3.3: they know neither the provider nor the units of 3.5's defaults.
        "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "spark.hadoop.fs.s3a.threads.keepalivetime": "60",
        "spark.hadoop.fs.s3a.multipart.purge.age": "86400",
        "spark.hadoop.fs.s3a.connection.establish.timeout": "30000",
        "spark.hadoop.fs.s3a.connection.timeout": "200000",
    }
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    (folder / "spark-defaults.conf").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder))
        with local_server(Agency.at(folder / "home").run.settings, folder / "server.log") as remote:
            patch.setenv("SPARK_REMOTE", remote)
            yield


@pytest.mark.usefixtures("spark_with_s3")
def test_spark_builds_by_way_of_a_bucket_what_duckdb_builds(bucket: Any, tmp_path: Path) -> None:
    duck = Agency.at(tmp_path / "duckdb")
    duck.load(example(tmp_path)[0])
    spark = duck.copy(tmp_path / "spark")
    spark.set(engine="spark", lake=LAKE)
    duck.build()
    # What a killed build left does not come back.
    leftover = f"kpi/{Lake(spark.home, spark.run.settings).prefix.rstrip('_')}/built/marts/kpi_values/old.parquet"
    bucket.put_object(Key=leftover, Body=b"of a build that was killed")
    bucket.put_object(Key="kpi/of somebody else", Body=b"x")
    spark.build()
    found = compare(duck.home.warehouse, spark.home.warehouse)
    print(f"example by way of a bucket: {found.rows:,} rows, {found.values:,} values")
    assert found.differences == ()
    assert found.rows > 1000
    assert [each.key for each in bucket.objects.all()] == ["kpi/of somebody else"]
    assert not Lake(spark.home, spark.run.settings).root.exists()


def test_a_bucket_that_is_missing_is_told(bucket: Any, tmp_path: Path) -> None:
    agency = Agency.at(tmp_path / "home")
    agency.load(example(tmp_path)[0])
    agency.set(engine="spark", lake="s3://nowhere/kpi")
    with pytest.raises(AmkpiError, match=r"cannot write into the lake s3://nowhere/kpi/.*bucket does not exist"):
        agency.build()


def test_a_server_without_the_classes_is_told(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPARK_REMOTE", "SPARK_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    agency = Agency.at(tmp_path / "home")
    agency.load(example(tmp_path)[0])
    agency.set(engine="spark", lake=LAKE)
    with pytest.raises(AmkpiError, match=r"the Spark server lacks a class for s3a:// .*docs/operations/engines.md"):
        agency.build()
