"""What a guest's files say that the system itself makes: below /proc, and a few below /etc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.guest.guest import KERNEL_VERSION, boot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.guest.command_line import Inside
    from cloudheal_sim.guest.guest import Mount

#: A share of memory in use above which processes wait for it.
_PRESSED = 0.9
_PARAMETERS = "/proc/sys/"


def system_file(inside: Inside, path: str) -> str | None:
    """Return what a file of the system's own holds, None when the path is none."""
    made = _FILES.get(path)
    if made is not None:
        return made(inside)
    value = inside.guest.parameter(path.removeprefix(_PARAMETERS).replace("/", ".")) if _PARAMETERS in path else None
    return None if value is None else f"{value}\n"


def load(inside: Inside) -> float:
    """Return how many processes want to run: more while memory is short."""
    return 12.4 if inside.guest.used > _PRESSED * inside.guest.memory else 0.05


def options_of(mount: Mount) -> str:
    """Return the options that a file system is mounted with."""
    return f"{'ro' if mount.read_only else 'rw'},relatime"


def _mounts(inside: Inside) -> str:
    fixed = ["proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0", "tmpfs /run tmpfs rw,nosuid,nodev,mode=755 0 0"]
    shown = [
        f"{one.source} {one.target} {one.kind} {options_of(one)} 0 0" for one in inside.guest.mounts if one.mounted
    ]
    return "".join(f"{line}\n" for line in [*shown, *fixed])


def _table(inside: Inside) -> str:
    lines = [
        f"{one.source} {one.target} {one.kind} defaults 1 {1 + (one.target != '/')}" for one in inside.guest.mounts
    ]
    return "".join(f"{line}\n" for line in lines)


def _memory(inside: Inside) -> str:
    guest = inside.guest
    free = guest.memory - guest.used
    facts = {"MemTotal": guest.memory, "MemFree": free, "MemAvailable": free, "SwapTotal": 0, "SwapFree": 0}
    return "".join(f"{name + ':':<15}{value * 1024:>10} kB\n" for name, value in facts.items())


def _pressure(inside: Inside) -> str:
    share = 38.12 if inside.guest.used > _PRESSED * inside.guest.memory else 0.0
    return "".join(
        f"{who} avg10={share:.2f} avg60={share:.2f} avg300={share / 2:.2f} total=0\n" for who in ("some", "full")
    )


def _network(inside: Inside) -> str:
    sent = round(inside.guest.traffic * 125_000 * inside.uptime)
    head = (
        "Inter-|   Receive                |  Transmit\n face |bytes    packets errs drop|bytes    packets errs drop\n"
    )
    return f"{head}  eth0: {sent // 20} {sent // 20_000} 0 0 {sent} {sent // 1000} 0 {_dropped(inside)}\n"


def _dropped(inside: Inside) -> int:
    guest = inside.guest
    return round(max(0.0, guest.wanted_traffic - guest.bandwidth) * 125 * inside.uptime)


_FILES: Mapping[str, Callable[[Inside], str]] = {
    "/proc/uptime": lambda inside: f"{inside.uptime:.2f} {inside.uptime * 1.9:.2f}\n",
    "/proc/loadavg": lambda inside: f"{load(inside):.2f} {load(inside):.2f} {load(inside):.2f} 1/120 1100\n",
    "/proc/meminfo": _memory,
    "/proc/pressure/memory": _pressure,
    "/proc/mounts": _mounts,
    "/etc/mtab": _mounts,
    "/etc/fstab": _table,
    "/proc/net/dev": _network,
    "/proc/version": lambda _inside: f"Linux version {KERNEL_VERSION}\n",
    "/proc/sys/net/netfilter/nf_conntrack_count": lambda inside: f"{inside.guest.sessions}\n",
    "/proc/sys/kernel/random/boot_id": lambda inside: f"{boot_id(inside.machine_id, inside.guest.booted)}\n",
    "/etc/hostname": lambda inside: f"{inside.host_name}\n",
    "/dev/null": lambda _inside: "",
}
