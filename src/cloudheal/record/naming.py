"""How a statement names one resource: the condition is built once, its values are handed in at every execution.

Building a statement costs more than executing it; what is asked for every event or every look is a constant of its
module, and takes `names_of(subject)` among its parameters.
"""

from __future__ import annotations

import sqlalchemy as sa

from cloudheal.model.resource import ResourceId


def about(table: sa.Table, id_: str = "resource") -> sa.ColumnElement[bool]:
    """Return the condition that a row is about one resource, whose id stands in the column `id_`."""
    names = {"cloud": "cloud", "account": "account", "region": "region", "kind": "kind", "resource": id_}
    return sa.and_(*(table.c[column] == sa.bindparam(f"of_{name}") for name, column in names.items()))


def names_of(subject: ResourceId) -> dict[str, str]:
    """Return the parameters of that condition."""
    return {
        "of_cloud": str(subject.cloud),
        "of_account": subject.account,
        "of_region": subject.region,
        "of_kind": subject.kind,
        "of_resource": subject.id,
    }
