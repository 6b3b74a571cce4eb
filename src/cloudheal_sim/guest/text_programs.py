"""The programs about text, files, time and tests."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome, Program
from cloudheal_sim.guest.patterns import matcher
from cloudheal_sim.guest.system_files import system_file
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime

#: Folders that are there, whatever is in them.
_FOLDERS = frozenset({".", "", "/var", "/var/crash", "/var/log", "/tmp", "/etc", "/root", "/home"})  # noqa: S108 - names
#: Characters that one command prints at most.
_MOST_SHOWN = 200_000


def _echo(_inside: Inside, call: Invoked) -> Outcome:
    words = list(call.words[1:])
    bare = escapes = False
    while words and words[0] in {"-n", "-e", "-ne", "-en"}:
        flags = words.pop(0)
        bare, escapes = bare or "n" in flags, escapes or "e" in flags
    text = " ".join(words)
    if escapes:
        text = text.replace("\\n", "\n").replace("\\t", "\t")
    return Outcome(shown=text if bare else f"{text}\n")


def _printf(_inside: Inside, call: Invoked) -> Outcome:
    if len(call.words) < 2:
        return Outcome(2, errors="printf: usage: printf format [arguments]\n")
    arguments = list(call.words[2:])
    text = re.sub(r"%[sd]", lambda _: arguments.pop(0) if arguments else "", call.words[1])
    return Outcome(shown=text.replace("\\n", "\n").replace("\\t", "\t").replace("%%", "%"))


def _exit(_inside: Inside, call: Invoked) -> Outcome:
    text = call.words[1] if len(call.words) > 1 else str(call.session.status)
    number = re.fullmatch(r"[0-9]{1,9}", text)
    return Outcome(int(text) % 256 if number else 2, ends=True)


def _sleep(_inside: Inside, call: Invoked) -> Outcome:
    times = [seconds_of(one) for one in call.words[1:]]
    if not times or None in times:
        return Outcome(1, errors="sleep: invalid time interval\n")
    return Outcome(wait=sum(one for one in times if one is not None))


def _assign(_inside: Inside, call: Invoked) -> Outcome:
    for word in call.plain:
        name, equals, value = word.partition("=")
        if equals:
            call.session.variables[name] = value
    return Outcome()


def _date(inside: Inside, call: Invoked) -> Outcome:
    moment = to_datetime(inside.now)
    form = next((word[1:] for word in call.words[1:] if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    try:
        return Outcome(shown=f"{moment.strftime(form.replace('%s', str(inside.now // MILLIS_PER_SECOND)))}\n")
    except ValueError:
        return Outcome(1, errors="date: invalid date format\n")


def _cat(inside: Inside, call: Invoked) -> Outcome:
    if not call.plain:
        return Outcome(shown=call.piped)
    shown = errors = ""
    for path in call.plain:
        text = content(inside, path)
        if text is None:
            errors += f"cat: {path}: No such file or directory\n"
        elif len(shown) < _MOST_SHOWN:
            shown += text
    return Outcome(int(bool(errors)), shown, errors)


def content(inside: Inside, path: str) -> str | None:
    """Return what a file holds, None when there is no such file."""
    made = system_file(inside, path)
    return inside.guest.files.get(path) if made is None else made


def _grep(inside: Inside, call: Invoked) -> Outcome:
    if not call.plain:
        return Outcome(2, errors="Usage: grep [OPTION]... PATTERNS [FILE]...\n")
    text = call.piped if len(call.plain) == 1 else content(inside, call.plain[1])
    if text is None:
        return Outcome(2, errors=f"grep: {call.plain[1]}: No such file or directory\n")
    pattern = call.plain[0] if call.has("E") else call.plain[0].replace("\\|", "|")
    matches = matcher(pattern, ignore_case=call.has("i"))
    lines = [line for line in text.splitlines() if matches(line) is not call.has("v")]
    shown = f"{len(lines)}\n" if call.has("c") else "".join(f"{line}\n" for line in lines)
    return Outcome(int(not lines), "" if call.has("q") else shown)


def _awk(_inside: Inside, call: Invoked) -> Outcome:
    """`awk '{print $2}'` and nothing else of that language."""
    found = (
        re.fullmatch(r"\s*\{\s*print\s+\$([0-9]{1,3})\s*;?\s*\}\s*", call.plain[0]) if len(call.plain) == 1 else None
    )
    if found is None:
        return Outcome(2, errors="awk: this guest knows '{print $N}' only\n")
    number = int(found[1])
    fields = ([line, *line.split()] for line in call.piped.splitlines())
    return Outcome(shown="".join(f"{one[number] if number < len(one) else ''}\n" for one in fields))


def _tee(inside: Inside, call: Invoked) -> Outcome:
    errors = ""
    for path in call.plain:
        text = (inside.guest.files.get(path, "") if call.has("a") else "") + call.piped
        if not inside.guest.writable(path):
            errors += f"tee: {path}: Read-only file system\n"
        elif inside.guest.room_for(path, text):
            inside.guest.files[path] = text
        else:
            errors += f"tee: {path}: No space left on device\n"
    return Outcome(int(bool(errors)), call.piped, errors)


def _sort(_inside: Inside, call: Invoked) -> Outcome:
    lines = sorted(call.piped.splitlines(), key=_number if call.has("n") else str, reverse=call.has("r"))
    return Outcome(shown="".join(f"{line}\n" for line in (dict.fromkeys(lines) if call.has("u") else lines)))


def _number(line: str) -> tuple[float, str]:
    found = re.match(r"\s*(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)", line)
    return (float(found[1]) if found else 0.0, line)


def _uniq(_inside: Inside, call: Invoked) -> Outcome:
    counted: list[tuple[str, int]] = []
    for line in call.piped.splitlines():
        again = bool(counted) and counted[-1][0] == line
        counted[len(counted) - again :] = [(line, counted[-1][1] + 1 if again else 1)]
    shown = (f"{count:7d} {line}\n" if call.has("c") else f"{line}\n" for line, count in counted)
    return Outcome(shown="".join(shown))


def _wc(_inside: Inside, call: Invoked) -> Outcome:
    counts = {"l": call.piped.count("\n"), "w": len(call.piped.split()), "c": len(call.piped.encode())}
    asked = [str(count) for letter, count in counts.items() if call.has(letter)]
    return Outcome(shown=f"{' '.join(asked or map(str, counts.values()))}\n")


def _ends(inside: Inside, call: Invoked) -> Outcome:
    """`head` and `tail`."""
    number = next((int(found[1]) for word in call.words if (found := re.fullmatch(r"-?n?([0-9]{1,9})", word))), 10)
    files = [word for word in call.plain if not word.isdecimal()]
    text = content(inside, files[0]) if files else call.piped
    if text is None:
        return Outcome(1, errors=f"{call.name}: cannot open '{files[0]}' for reading: No such file or directory\n")
    lines = text.splitlines(keepends=True)
    return Outcome(shown="".join(lines[:number] if call.name == "head" else lines[-number:] if number else []))


def _touch(inside: Inside, call: Invoked) -> Outcome:
    errors = ""
    for path in call.plain:
        if not inside.guest.writable(path):
            errors += f"touch: cannot touch '{path}': Read-only file system\n"
        elif inside.guest.room_for(path, ""):
            inside.guest.files.setdefault(path, "")
    return Outcome(int(bool(errors)), errors=errors)


def _rm(inside: Inside, call: Invoked) -> Outcome:
    errors = ""
    for path in call.plain:
        if not inside.guest.writable(path):
            errors += f"rm: cannot remove '{path}': Read-only file system\n"
        elif inside.guest.files.pop(path, None) is None and not call.has("f"):
            errors += f"rm: cannot remove '{path}': No such file or directory\n"
    return Outcome(int(bool(errors)), errors=errors)


def _ls(inside: Inside, call: Invoked) -> Outcome:
    shown = errors = ""
    for path in call.plain or (".",):
        folder = "" if path == "." else f"{path.rstrip('/')}/"
        found = [name for name in sorted(inside.guest.files) if name == path or name.startswith(folder)]
        shown += "".join(f"{name}\n" for name in found)
        if not found and path.rstrip("/") not in _FOLDERS:
            errors += f"ls: cannot access '{path}': No such file or directory\n"
    return Outcome(2 if errors else 0, shown, errors)


def _test(inside: Inside, call: Invoked) -> Outcome:
    words = list(call.words[1:])
    if call.name in {"[", "[["} and (not words or words.pop() != ("]" if call.name == "[" else "]]")):
        return Outcome(2, errors=f"bash: {call.name}: missing closing bracket\n")
    turned = bool(words) and words[0] == "!"
    holds = _holds(inside, words[1:] if turned else words)
    if holds is None:
        return Outcome(2, errors=f"bash: {call.name}: {' '.join(words)}: unary or binary operator expected\n")
    return Outcome(int(holds is turned))


def _holds(inside: Inside, words: list[str]) -> bool | None:
    match words:
        case [] | [""]:
            return False
        case [_]:
            return True
        case ["-n" | "-z" | "-f" | "-e" | "-r" | "-s" as operator, text]:
            return _unary(inside, operator, text)
        case [left, operator, right]:
            return _compared(left, operator, right)
    return None


def _unary(inside: Inside, operator: str, text: str) -> bool:
    if operator in {"-n", "-z"}:
        return bool(text) is (operator == "-n")
    return content(inside, text) is not None


def _compared(left: str, operator: str, right: str) -> bool | None:
    if operator in {"=", "==", "!="}:
        return (left == right) is not (operator == "!=")
    try:
        one, other = int(left), int(right)
    except ValueError:
        return None
    return {
        "-eq": one == other,
        "-ne": one != other,
        "-lt": one < other,
        "-le": one <= other,
        "-gt": one > other,
        "-ge": one >= other,
    }.get(operator)


def seconds_of(text: str) -> float | None:
    """Read a time such as `5`, `0.5` or `2m`, None when it is none."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text)
    return None if found is None else float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


TEXT_PROGRAMS: Mapping[str, Program] = {
    "echo": _echo,
    "printf": _printf,
    "Write-Output": _echo,
    "exit": _exit,
    "sleep": _sleep,
    "export": _assign,
    "cat": _cat,
    "date": _date,
    "grep": _grep,
    "awk": _awk,
    "tee": _tee,
    "sort": _sort,
    "uniq": _uniq,
    "wc": _wc,
    "head": _ends,
    "tail": _ends,
    "touch": _touch,
    "rm": _rm,
    "ls": _ls,
    "test": _test,
    "[": _test,
    "[[": _test,
}
