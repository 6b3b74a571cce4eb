"""Which program a command line means: one of the known ones, a process of the guest, or none: 127.

Programs look at and change the guest; each says what it prints, how it ends and how long it takes. Nothing succeeds
because it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.disk_programs import DISK_PROGRAMS
from cloudheal_sim.guest.guest import MOST_PROCESSES, Guest, Process
from cloudheal_sim.guest.kernel_programs import KERNEL_PROGRAMS
from cloudheal_sim.guest.network_programs import NETWORK_PROGRAMS
from cloudheal_sim.guest.system_programs import SYSTEM_PROGRAMS
from cloudheal_sim.guest.text_programs import TEXT_PROGRAMS, seconds_of

#: Programs that run what their first plain argument names.
_INTERPRETERS = frozenset({"bash", "sh", "python", "python3", "java", "node", "perl", "ruby", "php"})
#: Programs that only change how another one is run.
_WRAPPERS = frozenset({"nohup", "setsid", "sudo", "exec", "time", "nice", "command"})
_SYSTEM_FOLDERS = ("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/")
_BUILTINS = frozenset({"echo", "exit", "true", "false", ":", "test", "[", "[[", "export", "kill", "cd", "set", "wait"})


def run_program(inside: Inside, call: Invoked) -> Outcome:
    """Run one command in the foreground."""
    while call.name in _WRAPPERS and len(call.words) > 1:
        call = _unwrapped(call)
    if not call.words:
        return Outcome()
    if inside.guest.out_of_memory and call.name not in _BUILTINS:
        return Outcome(254, errors="bash: fork: Cannot allocate memory\n")
    program = _known(call)
    return _own(inside, call) if program is None else program(inside, call)


def _known(call: Invoked) -> Program | None:
    """Return the program of that name, if it is called by name or from where programs are."""
    path = call.words[0]
    return PROGRAMS.get(call.name) if "/" not in path or path.startswith(_SYSTEM_FOLDERS) else None


def _own(inside: Inside, call: Invoked) -> Outcome:
    process = installed(inside.guest, call)
    if process is not None:
        return _foreground(inside, call, process)
    reason = "No such file or directory" if "/" in call.words[0] else "command not found"
    return Outcome(127, errors=f"bash: {call.words[0]}: {reason}\n")


def background(inside: Inside, call: Invoked) -> Outcome:
    """Start a command in the background; the shell does not wait to hear whether it could be."""
    while call.name in _WRAPPERS and len(call.words) > 1:
        call = _unwrapped(call)
    if inside.guest.out_of_memory or not call.words:
        return Outcome(254)
    process = installed(inside.guest, call)
    crowded = len(inside.guest.processes) >= MOST_PROCESSES
    if process is None and inside.guest.any_program and _path_of(call) and not crowded:
        process = Process(PurePosixPath(_path_of(call)).name, running=False, starts_at_boot=False, passing=True)
        process.command = " ".join(call.words)
    if process is not None:
        inside.guest.start(process)
        return Outcome()
    return run_program(inside, call)


def installed(guest: Guest, call: Invoked) -> Process | None:
    """Return the guest's process that a command line would start."""
    names = {call.name} if call.name not in _INTERPRETERS else {PurePosixPath(one).name for one in call.plain}
    line = " ".join(call.words)
    return next((one for one in guest.processes if one.name in names or (one.command and one.command == line)), None)


def _path_of(call: Invoked) -> str:
    """Return the path of the program that a command line names, empty when it names none by path."""
    words = call.plain if call.name in _INTERPRETERS else call.words[:1]
    return next((word for word in words if "/" in word or (call.name in _INTERPRETERS and "." in word)), "")


def _unwrapped(call: Invoked) -> Invoked:
    count = 1
    while count < len(call.words) - 1 and call.words[count].startswith("-"):
        count += 2 if call.words[count] in {"-u", "-n"} else 1
    return call.shifted(count)


def _foreground(inside: Inside, call: Invoked, process: Process) -> Outcome:
    """A service in the foreground keeps the shell until the command times out."""
    inside.guest.start(process)
    call.session.foreground = process.name
    return Outcome(143, wait=1e9)


def _timeout(inside: Inside, call: Invoked) -> Outcome:
    limit = seconds_of(call.plain[0]) if call.plain else None
    if limit is None:
        return Outcome(125, errors="timeout: invalid time interval\n")
    outcome = run_program(inside, call.shifted(call.words.index(call.plain[0]) + 1))
    return outcome if outcome.wait <= limit else Outcome(124, wait=limit)


def _bash(inside: Inside, call: Invoked) -> Outcome:
    """`bash -c SCRIPT`, or a script of the guest's files."""
    from cloudheal_sim.guest.shell import inner  # noqa: PLC0415 - a shell runs programs runs shells

    if call.has("c") and call.plain:
        script = call.plain[0]
    elif call.plain and call.plain[0] in inside.guest.files:
        script = inside.guest.files[call.plain[0]]
    elif call.piped and not call.plain:
        script = call.piped
    else:
        own = installed(inside.guest, call)
        missing = call.plain[0] if call.plain else "-"
        return (
            _foreground(inside, call, own)
            if own
            else Outcome(127, errors=f"bash: {missing}: No such file or directory\n")
        )
    made, took = inner(call.session, script, inside)
    return Outcome(made.status, made.output, wait=took)


def _xargs(inside: Inside, call: Invoked) -> Outcome:
    """Run a command with what was piped in as its further arguments; with -r not at all when there is nothing."""
    words = call.words[1:]
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in {"-n", "-P"} else words[1:]
    piped = tuple(call.piped.split())
    if not piped and call.has("r"):
        return Outcome()
    outcome = run_program(inside, Invoked((*(words or ("echo",)), *piped), "", call.session))
    return replace(outcome, status=123) if 0 < outcome.status < 126 else outcome


def _says(text: Callable[[Inside], str]) -> Program:
    return lambda inside, _call: Outcome(shown=f"{text(inside)}\n")


def _fixed(status: int) -> Program:
    return lambda _inside, _call: Outcome(status)


def _which(inside: Inside, call: Invoked) -> Outcome:
    known = [name for name in call.plain if name in PROGRAMS or inside.guest.find(name) is not None]
    return Outcome(int(len(known) < len(call.plain)), "".join(f"/usr/bin/{name}\n" for name in known))


def _pwd(inside: Inside, call: Invoked) -> Outcome:
    return Outcome(shown=f"{call.session.variables.get('PWD', inside.environment.get('PWD', '/root'))}\n")


def _cd(_inside: Inside, call: Invoked) -> Outcome:
    call.session.variables["PWD"] = call.plain[0] if call.plain else "/root"
    return Outcome()


def _set(_inside: Inside, call: Invoked) -> Outcome:
    """`set -e` ends the script at the first failure; other options change nothing that shows here."""
    call.session.strict = call.session.strict or call.has("e")
    return Outcome()


PROGRAMS: Mapping[str, Program] = {
    **TEXT_PROGRAMS,
    **SYSTEM_PROGRAMS,
    **KERNEL_PROGRAMS,
    **DISK_PROGRAMS,
    **NETWORK_PROGRAMS,
    "true": _fixed(0),
    ":": _fixed(0),
    "wait": _fixed(0),
    "sync": _fixed(0),
    "false": _fixed(1),
    "set": _set,
    "cd": _cd,
    "bash": _bash,
    "sh": _bash,
    "hostname": _says(lambda inside: inside.host_name),
    "whoami": _says(lambda inside: inside.environment.get("USER", "root")),
    "pwd": _pwd,
    "which": _which,
    "xargs": _xargs,
    "timeout": _timeout,
}
