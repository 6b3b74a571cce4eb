"""Where servers are in balancers' groups, as last swept; on both databases."""

from __future__ import annotations

from dataclasses import replace

from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place
from cloudheal.record.database import Database
from cloudheal.record.memberships import places_of, replace_memberships

SERVER = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", "i-web")
DEFAULT, GROUP = Place("lb-1"), Place("lb-1", "rsp-1")


def test_a_sweep_replaces_what_was_known_of_its_region_only(database: Database) -> None:
    """A server that left a group is not looked for there any more; other regions and accounts keep theirs."""
    where = (SERVER.cloud, SERVER.account)
    with database.transaction() as connection:
        assert replace_memberships(connection, *where, "cn-hangzhou", [(GROUP, "i-web"), (DEFAULT, "i-web")]) == 2
        assert replace_memberships(connection, *where, "cn-beijing", [(GROUP, "i-web"), (GROUP, "i-web")]) == 1
        assert places_of(connection, SERVER) == (DEFAULT, GROUP)
        assert replace_memberships(connection, *where, "cn-hangzhou", [(DEFAULT, "i-web"), (GROUP, "i-other")]) == 2
        assert places_of(connection, SERVER) == (DEFAULT,)
        assert places_of(connection, replace(SERVER, region="cn-beijing")) == (GROUP,)
        assert places_of(connection, replace(SERVER, account="1000000000000002")) == ()
