# One image for all of Airflow's processes and for readers. It has two stages, so that the build tools are not in it.
# There is no "# syntax=" line, because BuildKit would have to pull an image for it.
ARG BASE_IMAGE=python:3.11.14-slim-bookworm
FROM ${BASE_IMAGE} AS build
# stack, or celery: the stack with CeleryExecutor, 13 MB more.
ARG LOCK=stack
RUN apt-get update -q && apt-get install -y -q --no-install-recommends binutils
COPY requirements/uv.lock requirements/${LOCK}.lock /build/
RUN python3 -m venv /build/venv && /build/venv/bin/pip install --no-cache-dir -q --disable-pip-version-check \
      --require-hashes -r /build/uv.lock \
 && python3 -m venv --without-pip /opt/venv
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN /build/venv/bin/uv pip install -q --python /opt/venv/bin/python --require-hashes --no-build -r /build/${LOCK}.lock \
 && /build/venv/bin/uv pip check -q --python /opt/venv/bin/python
COPY stack/slim /build/slim
RUN /build/slim /opt/venv && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

COPY pyproject.toml README.md /opt/amkpi/
COPY amkpi/ /opt/amkpi/amkpi/
COPY ingestion/ /opt/amkpi/ingestion/
COPY expectations/ /opt/amkpi/expectations/
COPY dbt_project/ /opt/amkpi/dbt_project/
COPY dags/ /opt/amkpi/dags/
COPY stack/healthy.py stack/initialise.py /opt/amkpi/stack/
# Setuptools makes the command `amkpi`; afterwards it is removed.
RUN /build/venv/bin/uv pip install -q --python /opt/venv/bin/python --require-hashes -r /build/uv.lock \
 && /build/venv/bin/uv pip install -q --python /opt/venv/bin/python --no-deps --no-build-isolation -e /opt/amkpi \
 && /build/venv/bin/uv pip uninstall -q --python /opt/venv/bin/python setuptools uv \
 && /opt/venv/bin/python -m compileall -q /opt/amkpi
# A dependency check cannot show that everything works together after `slim`. So run a small agency from extracts to mails and
# PDFs, and import the packages that only the stack needs.
RUN cd /tmp && export PYTHONDONTWRITEBYTECODE=1 AMKPI_HOME=/tmp/gate GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 \
      AIRFLOW_HOME=/tmp/gate/airflow \
 && /opt/venv/bin/amkpi sample /tmp/gate/landing --months 3 --scale 0.1 --as-of 2026-10-17 \
 && AMKPI_SETTLE_SECONDS=0 /opt/venv/bin/amkpi run --as-of 2026-10-17 \
 && /opt/venv/bin/amkpi scorecards --as-of 2026-10-17 \
 && /opt/venv/bin/python -c "import asyncpg, psycopg2, authlib.integrations.starlette_client, amkpi.interfaces.web.server, airflow.executors.local_executor, \
airflow.providers.fab.auth_manager.fab_auth_manager, airflow.providers.smtp.hooks.smtp" \
 && if [ "$LOCK" = celery ]; then /opt/venv/bin/python -c "import airflow.providers.celery.executors.celery_executor, redis"; fi

FROM ${BASE_IMAGE}
# A new volume gets the owner of its folder in the image, so the folders are made here. Airflow's own image runs as 50000:0 too.
RUN useradd --uid 50000 --gid 0 --home-dir /home/airflow --create-home --shell /usr/sbin/nologin airflow \
 && install -d -o 50000 -g 0 -m 0775 /opt/airflow /opt/airflow/logs /agency /agency/published /agency/state /landing \
      /backups
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/amkpi /opt/amkpi
COPY stack/airflow/ /opt/airflow/
ENV PATH=/opt/venv/bin:$PATH AIRFLOW_HOME=/opt/airflow AMKPI_HOME=/agency AMKPI_LANDING=/landing \
    AMKPI_BACKUP_DIR=/backups AMKPI_CLEAN_WHOLE_AIRFLOW=true \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
WORKDIR /opt/amkpi
USER 50000:0
CMD ["amkpi", "status"]
