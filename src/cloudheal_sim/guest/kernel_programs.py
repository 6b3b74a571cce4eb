"""The programs about the kernel, its log and memory: what a person looks at first when a server misbehaved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.guest import KERNEL_VERSION, boot_id
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.guest.guest import Line, Process

#: Levels of the kernel's log by the names that journalctl takes.
_LEVELS = {"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}
_COLUMNS = {
    "pid": "PID",
    "ppid": "PPID",
    "user": "USER",
    "rss": "RSS",
    "vsz": "VSZ",
    "oom_score": "OOM",
    "pcpu": "%CPU",
    "%cpu": "%CPU",
    "pmem": "%MEM",
    "%mem": "%MEM",
    "etime": "ELAPSED",
    "stat": "STAT",
    "comm": "COMMAND",
    "args": "COMMAND",
    "cmd": "CMD",
}


def _dmesg(inside: Inside, call: Invoked) -> Outcome:
    def stamp(line: Line) -> str:
        since = (line.at - inside.guest.booted) / MILLIS_PER_SECOND
        return f"{to_datetime(line.at):%a %b %e %H:%M:%S %Y}" if call.has("T") else f"{since:12.6f}"

    return Outcome(shown="".join(f"[{stamp(one)}] {one.text}\n" for one in inside.guest.log))


def _journal(inside: Inside, call: Invoked) -> Outcome:
    if "--list-boots" in call.words:
        return Outcome(shown=_boots(inside))
    if any(word.startswith("--vacuum") for word in call.words):
        return Outcome(shown="Vacuuming done, freed 0B of archived journals.\n")
    earlier = "-1" in call.words
    if earlier and not inside.guest.boots:
        return Outcome(1, errors="Data from the specified boot (-1) is not available: No such boot ID in journal\n")
    worst = _LEVELS.get(_value(call, "-p", "debug"), 7)
    unit = _value(call, "-u", "")
    lines = [] if unit else [one for one in _log(inside, earlier=earlier) if one.level <= worst]
    most = _value(call, "-n", "")
    shown = lines[-int(most) :] if most.isdecimal() and int(most) else lines
    text = "".join(f"{to_datetime(one.at):%b %d %H:%M:%S} {inside.host_name} kernel: {one.text}\n" for one in shown)
    return Outcome(shown=text or "-- No entries --\n")


def _log(inside: Inside, *, earlier: bool) -> Iterable[Line]:
    return inside.guest.last_log if earlier else inside.guest.log


def _value(call: Invoked, option: str, otherwise: str) -> str:
    """Return the word behind an option, or written together with it."""
    words = call.words
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            return words[place + 1]
        if word.startswith(option) and not word.startswith("--"):
            return word[len(option) :].strip("=")
    return otherwise


def _boots(inside: Inside) -> str:
    boots = [*inside.guest.boots, inside.guest.booted]
    ends = [*boots[1:], inside.now]
    return "".join(
        f"{number - len(boots):3d} {boot_id(inside.machine_id, begun).replace('-', '')} "
        f"{to_datetime(begun):%a %Y-%m-%d %H:%M:%S} UTC—{to_datetime(ended):%a %Y-%m-%d %H:%M:%S} UTC\n"
        for number, (begun, ended) in enumerate(zip(boots, ends, strict=True), 1)
    )


def _last(inside: Inside, call: Invoked) -> Outcome:
    if call.plain and not {"reboot", "shutdown"} & set(call.plain):
        return Outcome(shown="\n")
    boots = [*inside.guest.boots, inside.guest.booted]
    ends = [f"{to_datetime(one):%H:%M}" for one in boots[1:]] + ["still running"]
    lines = [
        f"reboot   system boot  {KERNEL_VERSION[:16]} {to_datetime(begun):%a %b %e %H:%M} - {ended}\n"
        for begun, ended in zip(boots, ends, strict=True)
    ]
    return Outcome(shown="".join(reversed(lines)))


def _uname(inside: Inside, call: Invoked) -> Outcome:
    facts = {"s": "Linux", "n": inside.host_name, "r": KERNEL_VERSION, "m": "x86_64", "o": "GNU/Linux"}
    asked = [fact for letter, fact in facts.items() if call.has(letter) or call.has("a")]
    return Outcome(shown=f"{' '.join(asked or ['Linux'])}\n")


def _free(inside: Inside, call: Invoked) -> Outcome:
    unit = 1 if call.has("m") else 1024
    total, used = inside.guest.memory * unit, inside.guest.used * unit
    head = f"{'':12}{'total':>12}{'used':>12}{'free':>12}{'shared':>12}{'buff/cache':>12}{'available':>12}\n"
    memory = f"{'Mem:':12}{total:12d}{used:12d}{total - used:12d}{0:12d}{0:12d}{total - used:12d}\n"
    return Outcome(shown=f"{head}{memory}{'Swap:':12}{0:12d}{0:12d}{0:12d}\n")


def processes_by(inside: Inside, call: Invoked) -> Outcome:
    """`ps -eo COLUMN,... --sort=-COLUMN`, by memory or by processor."""
    behind = zip(call.words, call.words[1:], strict=False)
    named = (word for option, word in behind if option.startswith("-") and option.endswith("o"))
    asked = next(named, "pid,cmd").split(",")
    unknown = [name for name in asked if name.rstrip("=") not in _COLUMNS]
    if unknown:
        return Outcome(1, errors=f'error: unknown user-defined format specifier "{unknown[0]}"\n')
    shown = inside.guest.alive()
    by = next((word.partition("=-")[2] for word in call.words if word.startswith("--sort=-")), "")
    if by in {"rss", "vsz", "pmem", "%mem", "oom_score"}:
        shown = sorted(shown, key=lambda one: -_taken(one))
    elif by in {"pcpu", "%cpu"}:
        shown = sorted(shown, key=lambda one: -_busy(one))
    rows = [_facts(inside, one) for one in shown]
    head = {name: _COLUMNS[name.rstrip("=")] for name in asked}
    lines = [[row[name.rstrip("=")] for name in asked] for row in rows]
    return Outcome(shown="".join(f"{_row(line)}\n" for line in [list(head.values()), *lines]))


def _row(fields: list[str]) -> str:
    *others, last = fields
    return " ".join([*(f"{one:>7}" for one in others), last])


def _taken(process: Process) -> int:
    return process.memory + process.leaked


def _busy(process: Process) -> float:
    """Return how much of a processor a process takes, in percent: sending and holding connections cost something."""
    return min(99.0, process.traffic * 4 + process.connections / 5000)


def _facts(inside: Inside, process: Process) -> Mapping[str, str]:
    return {
        "pid": str(process.pid),
        "ppid": "1",
        "user": "root",
        "rss": str(_taken(process) * 1024),
        "vsz": str(_taken(process) * 2048),
        **dict.fromkeys(("pcpu", "%cpu"), f"{_busy(process):.1f}"),
        **dict.fromkeys(("pmem", "%mem"), f"{100 * _taken(process) / inside.guest.memory:.1f}"),
        "etime": f"{int(inside.uptime) // 60:02d}:{int(inside.uptime) % 60:02d}",
        "stat": "Ss",
        "comm": process.name,
        "args": process.line,
        "oom_score": str(1000 * _taken(process) // inside.guest.memory),
        "cmd": process.line,
    }


def _cgroups(inside: Inside, _call: Invoked) -> Outcome:
    rows = sorted(inside.guest.alive(), key=lambda one: -_taken(one))
    lines = [f"{'/system.slice/' + one.name + '.service':<40}{1:6d}{'-':>8}{_taken(one):8d}.0M\n" for one in rows]
    return Outcome(shown=f"{'/':<40}{len(rows):6d}{'-':>8}{inside.guest.used:8d}.0M\n{''.join(lines)}")


def _modules(_inside: Inside, _call: Invoked) -> Outcome:
    names = ("virtio_net", "virtio_blk", "nf_conntrack", "ext4", "jbd2")
    return Outcome(
        shown="Module                  Size  Used by\n" + "".join(f"{one:<22}{53248:6d}  1\n" for one in names)
    )


def _parameters(inside: Inside, call: Invoked) -> Outcome:
    """`sysctl [-n] NAME` and `sysctl -w NAME=VALUE`."""
    if not call.plain:
        return Outcome(1, errors="sysctl: no variables specified\n")
    shown = errors = ""
    for word in call.plain:
        name, equals, value = word.replace("/", ".").partition("=")
        name = name.strip()
        if inside.guest.parameter(name) is None:
            errors += f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory\n"
        elif equals and not re.fullmatch("[0-9]{1,10}", value.strip()):
            errors += f'sysctl: setting key "{name}": Invalid argument\n'
        else:
            if equals:
                inside.guest.kernel[name] = value.strip()
            shown += (
                f"{inside.guest.parameter(name)}\n" if call.has("n") else f"{name} = {inside.guest.parameter(name)}\n"
            )
    return Outcome(255 if errors else 0, shown, errors)


KERNEL_PROGRAMS: Mapping[str, Program] = {
    "dmesg": _dmesg,
    "journalctl": _journal,
    "last": _last,
    "uname": _uname,
    "free": _free,
    "lsmod": _modules,
    "sysctl": _parameters,
    "systemd-cgtop": _cgroups,
    "swapon": lambda _inside, _call: Outcome(),
}
