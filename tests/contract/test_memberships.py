"""Where servers are in balancers' groups, as last swept; on both databases."""

from __future__ import annotations

from dataclasses import replace

from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place
from cloudheal.record.database import Database
from cloudheal.record.memberships import SLICE, changes, places_of, write_change

SERVER = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", "i-web")
DEFAULT, GROUP = Place("lb-1"), Place("lb-1", "rsp-1")


def swept(database: Database, region: str, *found: tuple[Place, str]) -> list[int]:
    """Let a sweep of a region find this; return how many rows each transaction changed."""
    with database.snapshot() as connection:
        parts = changes(connection, SERVER.cloud, SERVER.account, region, found)
    written = []
    for part in parts:
        with database.transaction() as connection:
            written.append(write_change(connection, part))
    return written


def test_a_sweep_replaces_what_was_known_of_its_region_only(database: Database) -> None:
    """A server that left a group is not looked for there any more; other regions and accounts keep theirs."""
    assert swept(database, "cn-hangzhou", (GROUP, "i-web"), (DEFAULT, "i-web")) == [2]
    assert swept(database, "cn-beijing", (GROUP, "i-web"), (GROUP, "i-web")) == [1]
    with database.snapshot() as connection:
        assert places_of(connection, SERVER) == (DEFAULT, GROUP)
    assert swept(database, "cn-hangzhou", (DEFAULT, "i-web"), (GROUP, "i-other")) == [2]
    with database.snapshot() as connection:
        assert places_of(connection, SERVER) == (DEFAULT,)
        assert places_of(connection, replace(SERVER, region="cn-beijing")) == (GROUP,)
        assert places_of(connection, replace(SERVER, account="1000000000000002")) == ()


def test_only_what_differs_is_written_and_in_parts(database: Database) -> None:
    """A sweep of a large fleet keeps nobody waiting, and one that finds everything as it was writes nothing."""
    fleet = [(GROUP, f"i-{number:04}") for number in range(2 * SLICE + 1)]
    assert swept(database, "cn-hangzhou", *fleet) == [SLICE, SLICE, 1]
    assert swept(database, "cn-hangzhou", *fleet) == []
    assert swept(database, "cn-hangzhou", *fleet[1:], (DEFAULT, "i-web")) == [2]
    assert swept(database, "cn-hangzhou") == [SLICE, SLICE, 1]
