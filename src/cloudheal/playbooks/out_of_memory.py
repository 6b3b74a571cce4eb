"""See to a server whose kernel killed a process because memory ran out (S3.3).

It finds out who was killed and who uses the memory. The unit that was killed is started again, or the one that leaks
restarted, where the rule names it; swap and larger types are a person's decision.
"""

from __future__ import annotations

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.playbooks import diagnosing
from cloudheal.playbooks.diagnosing import DiagnoseParameters, Situation

SITUATION = Situation(
    subject="memory, who was killed, who uses most, and failed units",
    looks=(
        "free -m",
        "dmesg -T | grep -iE 'out of memory|oom-kill|killed process' | tail -20",
        "ps -eo pid,ppid,user,rss,oom_score,cmd --sort=-rss | head -15",
        "systemctl --failed --no-pager",
        "systemd-cgtop -b -n1 -m | head -20",
        "cat /proc/pressure/memory",
        "swapon --show",
    ),
    advice="start what was killed (`unit`), restart what leaks (`restart`), or take a larger type",
)


class MemoryParameters(DiagnoseParameters):
    """Parameters of the playbook."""


def out_of_memory(case: Case, hands: Hands) -> End | Refusal:
    """See to one server."""
    return diagnosing.see_to(case, hands, SITUATION)


OUT_OF_MEMORY = diagnosing.declared(
    name="out_of_memory",
    run=out_of_memory,
    parameters=MemoryParameters,
    failures=True,
    situation=SITUATION,
    summary="Finds out who used up a server's memory and who was killed for it, starts that again where the rule says "
    "so, or tells people.",
)
