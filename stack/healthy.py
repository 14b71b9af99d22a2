"""Whether a container of the stack works: `healthy.py URL [COMPONENT]`, without an import of Airflow.

URL answers with Airflow's health as JSON. With a component (metadatabase, dag_processor, triggerer) its status there
must be healthy; without one an answer is enough. Exit 0: healthy; 1: not, with the reason on standard error, which
`docker inspect` shows.
"""

from __future__ import annotations

import json
import sys
import urllib.request


def main(url: str, component: str | None = None) -> str | None:
    """The reason why it is not healthy, or None."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            body = json.loads(answer.read() or b"{}")
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    if component is None:
        return None
    said = body.get(component) or {}
    return None if said.get("status") == "healthy" else f"{component}: {json.dumps(said)}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
