"""See to a server that loses packets because it has too many connections: the instance's limit, or a full table (S3.3).

It finds out who holds the connections and how full the kernel's table of them is. Where the rule names a larger table
(`conntrack_max`) the kernel is given it, never a smaller one; a leaking client is restarted where the rule names its
unit. The limit of the instance itself is its type's, and nothing inside the server moves it: people are told.
"""

from __future__ import annotations

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing
from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation

_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
SITUATION = Situation(
    subject="sockets by state, who holds connections, the kernel's table of them, and what was dropped",
    looks=(
        "ss -s",
        "ss -tan state established | awk '{print $4}' | sort | uniq -c | sort -rn | head -20",
        "ss -tan state time-wait | wc -l",
        f"cat /proc/sys/net/netfilter/nf_conntrack_count {_MAX}",
        "nstat -az TcpExtListenDrops TcpExtListenOverflows",
        "conntrack -S",
        "dmesg -T | grep -i conntrack | tail -20",
    ),
    advice="raise nf_conntrack_max (`conntrack_max`), mend the client that leaks connections, or take a larger type",
    mends="It makes the kernel's table larger (`conntrack_max`), or runs the command that the rule gives, once.",
)


class ConnectionsParameters(DiagnoseParameters):
    """Parameters of the playbook."""

    conntrack_max: int | None = Field(
        None, ge=1024, le=16_777_216, description="Raise the kernel's table of connections to so many entries."
    )

    def _ways(self) -> tuple[bool, ...]:
        return (*super()._ways(), self.conntrack_max is not None)

    @property
    def text(self) -> str:
        """The command that raises the table, or what the rule gives."""
        if self.conntrack_max is None:
            return super().text
        return (
            f'if [ "$(cat {_MAX})" -ge {self.conntrack_max} ]; then\n'
            "echo 'cloudheal: it is as large already'\nexit 0\nfi\n"
            f"sysctl -w net.netfilter.nf_conntrack_max={self.conntrack_max}\n"
            f'[ "$(cat {_MAX})" -ge {self.conntrack_max} ]\n'
        )


def connections_over_limit(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


CONNECTIONS_OVER_LIMIT = diagnosing.declared(
    name="connections_over_limit",
    run=connections_over_limit,
    parameters=ConnectionsParameters,
    situation=SITUATION,
    summary="Finds out why a server has too many connections, raises the kernel's table where the rule says so, or "
    "tells people.",
)
