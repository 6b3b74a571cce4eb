"""Which servers a drill is for, as the options of a command name them.

What the inventory does not know is read from the cloud by its id; an empty selection is nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import typer

from cloudheal.app import Accounts
from cloudheal.cli.desk import Desk
from cloudheal.drills.scope import chosen_among, lost_among, servers_on_record
from cloudheal.errors import RefusedError
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.rules import Selector


class NobodySelectedError(RefusedError):
    """A drill is for nobody."""

    code = "drill.nobody"


def selector_of(
    ids: Sequence[str] | None,
    names: Sequence[str] | None,
    regions: Sequence[str] | None,
    groups: Sequence[str] | None,
    tags: Sequence[str] | None,
) -> Selector:
    """Return what was asked for in the form in which rules select. Raises BadParameter for a tag without a value."""
    values: dict[str, list[str]] = {}
    for one in tags or ():
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"expected key=value, got {one!r}", param_hint="--tag")
        values.setdefault(key, []).append(value)
    return Selector(
        ids=list(ids or ()),
        names=list(names or ()),
        regions=list(regions or ()),
        groups=list(groups or ()),
        tags=values,
    )


def servers_of(
    at: Desk, accounts: Accounts, selector: Selector, among: Sequence[AccountSettings]
) -> list[tuple[ResourceId, Resource | None]]:
    """Return the servers that are meant, with what is known of them. Raises NobodySelectedError naming what is not."""
    if selector.selects_nothing:
        raise NobodySelectedError(at.show.text("drill.nothing"))
    known = known_servers(at, accounts, set(selector.ids), among)
    lost = lost_among(known, selector)
    if lost:
        raise NobodySelectedError(at.show.text("drill.unknown", servers=", ".join(lost)))
    chosen = chosen_among(known, selector)
    if not chosen:
        raise NobodySelectedError(at.show.text("drill.nothing"))
    return [(one.id, one) for one in chosen]


def known_servers(
    at: Desk, accounts: Accounts, ids: AbstractSet[str], among: Sequence[AccountSettings]
) -> dict[ResourceId, Resource]:
    """Return the servers of accounts that the inventory knows, and those of `ids` that it does not but their cloud."""
    mine = {(one.cloud, one.id) for one in among}
    found = servers_on_record(at.database)
    known = {name: one for name, one in found.items() if (name.cloud, name.account) in mine}
    if ids:
        missing = ids - {one.id for one in known}
        known |= accounts.lookup(_anywhere(missing, among), at.clock.now()) if missing else {}
    return known


def _anywhere(ids: Iterable[str], among: Sequence[AccountSettings]) -> list[ResourceId]:
    return [
        ResourceId(account.cloud, account.id, region, "instance", id_)
        for account in among
        for region in account.regions
        for id_ in sorted(ids)
    ]
