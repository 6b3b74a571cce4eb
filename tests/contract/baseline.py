"""Write the baseline revision anew from the tables: `python -m tests.contract.baseline`.

Only until the first release: from then on a database somewhere has it, and a change of the tables is a new revision.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext

from cloudheal.record.schema import MIGRATIONS
from cloudheal.record.tables import METADATA

PAGE = '''\
"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table in an empty database."""
{body}
'''


def main() -> None:
    """Write the file."""
    with sa.create_engine("sqlite://").connect() as connection:
        script = produce_migrations(MigrationContext.configure(connection), METADATA)
        assert script.upgrade_ops is not None
        body = render_python_code(script.upgrade_ops)
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("#")]
    path = MIGRATIONS / "versions" / "r0001_baseline.py"
    path.write_text(PAGE.format(body=textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)


if __name__ == "__main__":
    main()
