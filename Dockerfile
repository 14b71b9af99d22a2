# No "# syntax=" line: BuildKit would have to pull the frontend image.
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
COPY requirements/ /build/requirements/
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir -q --require-hashes -r /build/requirements/uv.lock \
 && UV_LINK_MODE=copy UV_NO_CACHE=1 /opt/venv/bin/uv pip install --python /opt/venv/bin/python \
      --require-hashes --no-build --compile-bytecode -r /build/requirements/dev.lock
COPY pyproject.toml README.md /opt/amkpi/
COPY amkpi/ /opt/amkpi/amkpi/
COPY ingestion/ /opt/amkpi/ingestion/
COPY expectations/ /opt/amkpi/expectations/
COPY scorecards/ /opt/amkpi/scorecards/
COPY dbt_project/ /opt/amkpi/dbt_project/
COPY dags/ /opt/amkpi/dags/
RUN /opt/venv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-build-isolation -e /opt/amkpi \
 && /opt/venv/bin/python -c "import airflow, dbt.adapters.duckdb, duckdb, great_expectations, amkpi.cli"

FROM ${BASE_IMAGE}
RUN useradd --uid 50000 --gid 0 --home-dir /home/airflow --create-home --shell /usr/sbin/nologin airflow \
 && install -d -o 50000 -g 0 -m 0775 /opt/airflow /agency
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/amkpi /opt/amkpi
ENV PATH=/opt/venv/bin:$PATH AIRFLOW_HOME=/opt/airflow AIRFLOW__CORE__DAGS_FOLDER=/opt/amkpi/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False AMKPI_HOME=/agency PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
WORKDIR /opt/amkpi
USER 50000:0
CMD ["airflow", "standalone"]
