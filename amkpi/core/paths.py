"""The places of the files that come with the package: models, DAGs and shipped mappings.

In a checkout some folders of the package are links to the top-level folders of the repository. In an installed wheel
they are plain folders. The code is the same for both.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (PACKAGE / "dbt_project").is_symlink()
DBT_PROJECT = (PACKAGE / "dbt_project").resolve()
# The project of the group's view.
DBT_GROUP_PROJECT = DBT_PROJECT / "group"
DAGS = (PACKAGE / "dags").resolve()
SHIPPED_MAPPINGS = (PACKAGE / "ingestion" / "mappings" / "shipped").resolve()
