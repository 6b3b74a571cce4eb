"""What the vendor's old sample does, and nobody should: the queue's address without encryption is told by `check`."""

from __future__ import annotations

import pytest

from cloudheal.cli.examination import in_clear
from cloudheal.settings.schema import Settings

HOST = "1000000000000001.mns.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    ("endpoint", "told"), [(f"http://{HOST}", 1), (f"https://{HOST}", 0), ("http://127.0.0.1:8800", 0)]
)
def test_an_address_of_the_vendor_without_encryption_is_a_warning(endpoint: str, told: int) -> None:
    """A simulator on this machine is none of the vendor's."""
    account = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
    queue = {"endpoint": endpoint, "name": "ecs-cms-event"}
    found = list(in_clear(Settings.model_validate({"accounts": [{**account, "queue": queue}]})))
    assert len(found) == told
    assert all((level, facts["host"]) == ("warning", HOST) for _, _, level, facts in found)
