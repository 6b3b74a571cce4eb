"""The programs about the network: sockets, the connection table, addresses, packet filters and traffic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.guest import Situation
from cloudheal_sim.kernel.clock import to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Connections that are listed at most; the rest is only counted.
_MOST_LISTED = 500
#: Where connections of a process lead, and where those of nobody in particular come from.
_INSIDE, _OUTSIDE = "10.0.0.50:3306", "203.0.113.9"


def _sockets(inside: Inside, call: Invoked) -> Outcome:
    words = " ".join(call.words[1:])
    if call.has("s"):
        return Outcome(shown=_summary(inside))
    if call.has("l"):
        return Outcome(shown=_listening(inside, words))
    if "time-wait" in words:
        return Outcome(shown="Recv-Q Send-Q Local Address:Port Peer Address:Port\n")
    return Outcome(shown=_connections(inside, stated="state" in words))


def _summary(inside: Inside) -> str:
    sessions, listening = inside.guest.sessions, len([one for one in inside.guest.alive() if one.port])
    return (
        f"Total: {sessions + 120}\n"
        f"TCP:   {sessions + listening} (estab {sessions}, closed 0, orphaned 0, timewait 0)\n\n"
        f"Transport Total     IP        IPv6\nTCP       {sessions + listening:<9} {sessions + listening:<9} 0\n"
    )


def _listening(inside: Inside, words: str) -> str:
    wanted = re.search(r"sport\s*=\s*:(\d+)", words)
    ports = [one.port for one in inside.guest.alive() if one.port]
    shown = [port for port in ports if wanted is None or str(port) == wanted[1]]
    lines = [f"LISTEN 0      511    0.0.0.0:{port}      0.0.0.0:*\n" for port in shown]
    return "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\n" + "".join(lines)


def _connections(inside: Inside, *, stated: bool) -> str:
    """List connections; where a state was asked for, its column is left out, as ss does."""
    guest = inside.guest
    peers = [_INSIDE for one in guest.alive() for _ in range(min(one.connections, _MOST_LISTED))]
    peers += [f"{_OUTSIDE}:{20_000 + number}" for number in range(min(guest.connections, _MOST_LISTED))]
    state = "" if stated else "ESTAB "
    lines = [f"{state}0      0      0.0.0.0:80 {peer}\n" for peer in peers[:_MOST_LISTED]]
    head = "Recv-Q Send-Q Local Address:Port Peer Address:Port\n"
    return ("" if stated else "State ") + head + "".join(lines)


def _conntrack(inside: Inside, call: Invoked) -> Outcome:
    if call.has("C"):
        return Outcome(shown=f"{inside.guest.sessions}\n")
    if not call.has("S"):
        return Outcome(2, errors="conntrack: this guest knows -C and -S only\n")
    dropped = 4182 if Situation.CONNTRACK_FULL in inside.guest.situations() else 0
    return Outcome(
        shown=f"cpu=0 found=0 invalid=3 insert=0 insert_failed={dropped} drop={dropped} early_drop=0 error=0\n"
    )


def _counters(_inside: Inside, call: Invoked) -> Outcome:
    asked = call.plain or ("TcpExtListenOverflows", "TcpExtListenDrops")
    return Outcome(shown="#kernel\n" + "".join(f"{name:<32}{0:<18}0.0\n" for name in asked))


def _address(_inside: Inside, call: Invoked) -> Outcome:
    """`ip -br addr` and `ip route`."""
    match call.plain[:1]:
        case ["a" | "addr" | "address"]:
            return Outcome(shown="lo               UNKNOWN        127.0.0.1/8\neth0             UP\n")
        case ["r" | "route"]:
            return Outcome(shown="default via 10.0.0.1 dev eth0\n10.0.0.0/24 dev eth0 proto kernel scope link\n")
        case ["l" | "link"]:
            return Outcome(
                shown="lo               UNKNOWN        <LOOPBACK,UP,LOWER_UP>\neth0             UP             <UP>\n"
            )
    return Outcome(255, errors="ip: this guest knows addr, link and route only\n")


def _filters(_inside: Inside, call: Invoked) -> Outcome:
    """`iptables -S` or `-L`: nothing is filtered."""
    if not (call.has("S") or call.has("L")):
        return Outcome(2, errors="iptables: this guest knows -S and -L only\n")
    return Outcome(shown="".join(f"-P {chain} ACCEPT\n" for chain in ("INPUT", "FORWARD", "OUTPUT")))


def _rules(_inside: Inside, call: Invoked) -> Outcome:
    return (
        Outcome()
        if call.plain[:2] == ("list", "ruleset")
        else Outcome(1, errors="nft: this guest knows list ruleset only\n")
    )


def _traffic(inside: Inside, call: Invoked) -> Outcome:
    """`sar -n DEV INTERVAL COUNT`."""
    numbers = [int(word) for word in call.plain if word.isdecimal() and len(word) < 5]
    interval, count = (numbers + [1, 1][len(numbers) :])[:2]
    sent = inside.guest.traffic * 125
    row = f"{to_datetime(inside.now):%H:%M:%S}         eth0{sent / 20:10.2f}{sent:10.2f}{sent / 20:10.2f}{sent:10.2f}\n"
    head = f"{'':8}        IFACE   rxpck/s   txpck/s    rxkB/s    txkB/s\n"
    return Outcome(shown=head + row * min(count, 100), wait=float(interval * count))


NETWORK_PROGRAMS: Mapping[str, Program] = {
    "ss": _sockets,
    "conntrack": _conntrack,
    "nstat": _counters,
    "ip": _address,
    "iptables": _filters,
    "nft": _rules,
    "sar": _traffic,
}
