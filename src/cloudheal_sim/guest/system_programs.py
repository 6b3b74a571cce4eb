"""The programs about processes, services, uptime and the system as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.guest import Guest, Process
from cloudheal_sim.guest.kernel_programs import processes_by
from cloudheal_sim.guest.patterns import matcher
from cloudheal_sim.guest.system_files import load
from cloudheal_sim.kernel.clock import to_datetime

#: Options of curl that take a value.
_CURL_OPTIONS = frozenset(
    {"--max-time", "--connect-timeout", "--retry", "--retry-delay", "--output", "--write-out", "--header", "--request"}
)


def _uptime(inside: Inside, call: Invoked) -> Outcome:
    seconds = int(inside.uptime)
    if call.has("s"):
        return Outcome(shown=f"{to_datetime(inside.guest.booted):%Y-%m-%d %H:%M:%S}\n")
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    up = (f"{days} days, " if days else "") + (f"{hours}:{minutes:02d}" if hours or days else f"{minutes} min")
    loads = ", ".join([f"{load(inside):.2f}"] * 3)
    return Outcome(shown=f" {to_datetime(inside.now):%H:%M:%S} up {up},  0 users,  load average: {loads}\n")


def _matching(guest: Guest, call: Invoked, *, exact: bool = False) -> list[Process]:
    """Return the running processes that a pattern names: by name, or with -f by command line."""
    wanted = call.plain[-1] if call.plain else ""
    matches = matcher(wanted)
    if exact or call.has("x"):
        return [one for one in guest.alive() if wanted in {one.name, one.line if call.has("f") else one.name}]
    return [one for one in guest.alive() if matches(one.line if call.has("f") else one.name)]


def _pgrep(inside: Inside, call: Invoked) -> Outcome:
    if not call.plain:
        return Outcome(2, errors="pgrep: no matching criteria specified\n")
    found = _matching(inside.guest, call)
    if call.has("c"):
        return Outcome(int(not found), f"{len(found)}\n")
    long = call.has("l") or call.has("a")
    lines = [f"{one.pid} {one.line if call.has('a') else one.name}" if long else str(one.pid) for one in found]
    return Outcome(int(not found), "".join(f"{line}\n" for line in lines))


def _pidof(inside: Inside, call: Invoked) -> Outcome:
    found = _matching(inside.guest, call, exact=True)
    return Outcome(int(not found), f"{' '.join(str(one.pid) for one in found)}\n" if found else "")


def _ps(inside: Inside, call: Invoked) -> Outcome:
    if call.has("o"):
        return processes_by(inside, call)
    by_pid = "p" in "".join(call.words[1:2]) and call.words[-1].isdecimal()
    shown = [one for one in inside.guest.alive() if not by_pid or str(one.pid) == call.words[-1]]
    lines = ["UID        PID  PPID  C STIME TTY          TIME CMD"]
    lines += [f"root  {one.pid:8d}     1  0 00:00 ?        00:00:00 {one.line}" for one in shown]
    return Outcome(int(by_pid and not shown), "".join(f"{line}\n" for line in lines))


def _kill(inside: Inside, call: Invoked) -> Outcome:
    only_ask = "-0" in call.words
    errors = ""
    for word in call.plain:
        found = next((one for one in inside.guest.alive() if str(one.pid) == word), None)
        if found is None:
            errors += f"bash: kill: ({word}) - No such process\n"
        elif not only_ask:
            inside.guest.end(found)
    if not call.plain:
        return Outcome(2, errors="kill: usage: kill [-s sigspec | -n signum | -sigspec] pid\n")
    return Outcome(int(bool(errors)), errors=errors)


def _pkill(inside: Inside, call: Invoked) -> Outcome:
    found = _matching(inside.guest, call, exact=call.name == "killall") if call.plain else []
    for process in found:
        inside.guest.end(process)
    missing = f"{call.plain[-1]}: no process found\n" if call.plain and not found and call.name == "killall" else ""
    return Outcome(int(not found), errors=missing)


def _systemctl(inside: Inside, call: Invoked) -> Outcome:
    words = call.plain
    if "--failed" in call.options:
        dot = "" if "--plain" in call.options else "● "
        failed = [
            f"{dot}{one.name}.service loaded failed failed {one.name}\n" for one in inside.guest.processes if one.failed
        ]
        legend = "" if "--no-legend" in call.options else f"{len(failed)} loaded units listed.\n"
        return Outcome(shown=f"{''.join(failed)}{legend}")
    if words[:1] == ("list-timers",):
        return Outcome(shown="NEXT LEFT LAST PASSED UNIT ACTIVATES\n\n0 timers listed.\n")
    if len(words) < 2:
        return Outcome(1, errors="Too few arguments.\n")
    quiet = call.has("q") or "--quiet" in call.options
    names = [one.removesuffix(".service").removesuffix(".timer") for one in words[1:]]
    found = [_unit(inside, words[0], name, quiet=quiet) for name in names]
    # One that is active is enough for `is-active`; of anything else one that fails is what counts.
    statuses = sorted((one.status for one in found), reverse=words[0] != "is-active")
    return Outcome(statuses[0], "".join(one.shown for one in found), errors="".join(one.errors for one in found))


def _service(inside: Inside, call: Invoked) -> Outcome:
    if len(call.plain) < 2:
        return Outcome(1, errors="Usage: service < option > | --status-all | [ service_name [ command ] ]\n")
    return _unit(inside, call.plain[1], call.plain[0], quiet=False)


def _unit(inside: Inside, verb: str, name: str, *, quiet: bool) -> Outcome:
    unit = inside.guest.find(name)
    if verb == "is-active":
        running = unit is not None and unit.running
        resting = "failed" if unit is not None and unit.failed else "inactive"
        return Outcome(0 if running else 3, "" if quiet else f"{'active' if running else resting}\n")
    if unit is None:
        if verb == "status":
            return Outcome(4, errors=f"Unit {name}.service could not be found.\n")
        return Outcome(5, errors=f"Failed to {verb} {name}.service: Unit {name}.service not found.\n")
    return _on_unit(inside, verb, unit)


def _on_unit(inside: Inside, verb: str, unit: Process) -> Outcome:
    match verb:
        case "start":
            inside.guest.start(unit)
        case "stop":
            inside.guest.end(unit)
        case "restart" | "reload-or-restart" | "try-restart":
            if verb != "try-restart" or unit.running:
                inside.guest.end(unit)
                inside.guest.start(unit)
        case "enable" | "disable":
            unit.starts_at_boot = verb == "enable"
        case "is-enabled":
            return Outcome(int(not unit.starts_at_boot), "enabled\n" if unit.starts_at_boot else "disabled\n")
        case "status":
            resting = "failed (Result: oom-kill)" if unit.failed else "inactive (dead)"
            state = "active (running)" if unit.running else resting
            pid = f" Main PID: {unit.pid} ({unit.name})\n" if unit.running else ""
            return Outcome(0 if unit.running else 3, f"● {unit.name}.service\n   Active: {state}\n{pid}")
        case _:
            return Outcome(1, errors=f"Unknown operation {verb}.\n")
    return Outcome()


def _curl(inside: Inside, call: Invoked) -> Outcome:
    url = _url(call)
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        port = parts.port or 80
    except ValueError:
        return Outcome(3, errors="curl: (3) URL using bad/illegal format or missing URL\n")
    if parts.hostname not in {"localhost", "127.0.0.1", inside.host_name}:
        return Outcome(6, errors=f"curl: (6) Could not resolve host: {parts.hostname or ''}\n")
    if inside.guest.listening(port) is None:
        return Outcome(7, errors=f"curl: (7) Failed to connect to {parts.hostname} port {port}: Connection refused\n")
    wants_code = any("http_code" in word for word in call.words)
    quiet = "/dev/null" in call.words
    return Outcome(shown=("" if quiet else "ok\n") + ("200" if wants_code else ""))


def _url(call: Invoked) -> str:
    """Return the first argument that is neither an option nor the value of one."""
    words = iter(call.words[1:])
    for word in words:
        if word in _CURL_OPTIONS or (word.startswith("-") and not word.startswith("--") and word[-1] in "omwXHdu"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _reboot(inside: Inside, _call: Invoked) -> Outcome:
    inside.reboot()
    return Outcome()


def _shutdown(inside: Inside, call: Invoked) -> Outcome:
    if call.has("r"):
        inside.reboot()
    else:
        inside.power_off()
    return Outcome()


def _power_off(inside: Inside, _call: Invoked) -> Outcome:
    inside.power_off()
    return Outcome()


SYSTEM_PROGRAMS: Mapping[str, Program] = {
    "uptime": _uptime,
    "pgrep": _pgrep,
    "pidof": _pidof,
    "ps": _ps,
    "kill": _kill,
    "pkill": _pkill,
    "killall": _pkill,
    "systemctl": _systemctl,
    "service": _service,
    "curl": _curl,
    "reboot": _reboot,
    "shutdown": _shutdown,
    "poweroff": _power_off,
    "halt": _power_off,
}
