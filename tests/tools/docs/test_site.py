"""dbt's own site makes no request."""

from __future__ import annotations

import re

import pytest

from amkpi.core.errors import AmkpiError
from tools.docs.site import sealed


def test_the_offline_site_may_ask_nobody() -> None:
    page = sealed("<html><head><script>1</script></head></html>")
    rules = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert len(rules) == 1
    assert rules[0].startswith("default-src 'none'")
    assert "http" not in rules[0]
    with pytest.raises(AmkpiError, match="no <head>"):
        sealed("<html></html>")
