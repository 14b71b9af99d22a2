"""Health check of a container of the stack: `healthy.py URL [COMPONENT]`. It does not import Airflow, which is slow.

The URL answers with Airflow's health as JSON. With a component (metadatabase, dag_processor, triggerer) the status of
that component must be healthy; without one any answer is enough. Exit 0: healthy. Exit 1: not healthy; the reason is on
standard error, and `docker inspect` shows it.
"""

from __future__ import annotations

import json
import sys
import urllib.request


def main(url: str, component: str | None = None) -> str | None:
    """Return the reason why the container is not healthy, or None."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            body = json.loads(answer.read() or b"{}")
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    if component is None:
        return None
    health = body.get(component) or {}
    return None if health.get("status") == "healthy" else f"{component}: {json.dumps(health)}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
