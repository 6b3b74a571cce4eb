"""A shell script while it runs inside a guest: where it is, what it printed, how it ended.

The place in the script is data, so a script that sleeps survives being put away. Programs that the guest does not have
end with 127 and "command not found", as in any shell; nothing ever succeeds by default.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from cloudheal_sim.guest.command_line import Inside, Invoked, Outcome
from cloudheal_sim.guest.programs import background, run_program
from cloudheal_sim.guest.shell_syntax import (
    Command,
    Piece,
    Redirect,
    ShellSyntaxError,
    Step,
    Word,
    assignments,
    compiled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How long a burst of steps counts as, in seconds; each one in a row counts twice as long as the one before.
BURST_SECONDS = 1.0
LONGEST_BURST = 3600.0
#: Characters that one word, or the words of one command together, may come to.
MOST_TEXT = 100_000
#: Shells inside shells.
DEEPEST = 8
#: Characters of output kept; what the service shows is far less.
MOST_OUTPUT = 200_000
#: Steps that look at the status, so that a failure before them is no reason to stop.
_CHECKS = frozenset({"jump-if", "jump-unless", "not"})
_ARITHMETIC: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
}
_VARIABLE = re.compile(r"\$(\w+|[?$#@*!]|\{\w+\})|\$\(")


@dataclass(slots=True)
class Session:
    """One run of one script."""

    script: str
    place: int = 0
    status: int = 0
    output: str = ""
    dropped: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    """True after `set -e`."""
    over: bool = False
    bursts: int = 0
    """How many bursts in a row ended without a pause."""
    foreground: str = ""
    """The process that the script started and waits for."""
    depth: int = 0
    """How many shells this one is inside of."""
    holders: list[int] = field(default_factory=list)
    """Processes left in the background whose output still goes where the script's goes."""

    def say(self, text: str) -> None:
        """Print; what does not fit is counted."""
        room = MOST_OUTPUT - len(self.output)
        self.output += text[:room]
        self.dropped += len(text[room:].encode())


@lru_cache(maxsize=256)
def _steps(script: str) -> tuple[Step, ...]:
    return tuple(compiled(script))


def proceed(session: Session, inside: Inside) -> float:
    """Run a script until it is over or has to wait; returns the seconds to wait, 0 when it is over."""
    try:
        return _proceed(session, _steps(session.script), inside)
    except ShellSyntaxError as problem:
        session.say(f"bash: {problem}\n")
    except RecursionError:
        session.say("bash: nested too deeply\n")
    session.status, session.over = 2, True
    return 0.0


def _proceed(session: Session, steps: tuple[Step, ...], inside: Inside) -> float:
    while inside.fuel.burn():
        if session.place >= len(steps) or session.over:
            session.over = True
            return 0.0
        step = steps[session.place]
        session.place += 1
        wait = _take(session, step, inside)
        checked = session.place < len(steps) and steps[session.place].what in _CHECKS
        if session.strict and step.what == "run" and session.status != 0 and not checked:
            session.over = True
        if wait > 0:
            session.bursts = 0
            return wait
    session.bursts += 1
    return float(min(LONGEST_BURST, BURST_SECONDS * 2 ** min(session.bursts, 20)))


def inner(session: Session, script: str, inside: Inside) -> tuple[Session, float]:
    """Run a script to its end in a shell inside this one; returns it, and the seconds that it took."""
    made, took = Session(script, variables=dict(session.variables), depth=session.depth + 1), 0.0
    if made.depth > DEEPEST:
        made.say("bash: nested too deeply\n")
        made.status, made.over = 2, True
    while not made.over:
        took += proceed(made, inside)
        if inside.fuel.left < 0 and not made.over:
            made.status, made.over = 137, True
    session.holders += made.holders
    return made, took


def _take(session: Session, step: Step, inside: Inside) -> float:
    match step.what:
        case "jump":
            session.place = step.target
        case "jump-if" if session.status == 0:
            session.place = step.target
        case "jump-unless" if session.status != 0:
            session.place = step.target
        case "not":
            session.status = int(session.status == 0)
        case "succeed":
            session.status = 0
        case "set":
            name, value = step.words
            session.variables[name.bare] = " ".join(_fields(session, (value,), inside))
        case "spawn":
            _spawn(session, step.commands[0], inside)
        case "run":
            return _run(session, step.commands, inside)
    return 0.0


def _run(session: Session, commands: tuple[Command, ...], inside: Inside) -> float:
    outcome, piped, wait = Outcome(), "", 0.0
    for number, command in enumerate(commands, 1):
        outcome = _one(session, command, piped, inside)
        wait += outcome.wait
        shown, errors = _redirected(command.redirects, outcome, session, inside)
        session.say(errors)
        piped = shown
        if number == len(commands):
            session.say(shown)
    session.status = outcome.status
    session.over = outcome.ends and len(commands) == 1
    return wait


def _spawn(session: Session, command: Command, inside: Inside) -> None:
    """Start a command in the background; one whose output goes nowhere else holds on to that of the script."""
    problems = [_written(session, one, "", inside) for one in command.redirects if one.target and one.operator != "<"]
    session.status = 0
    if any(problems):
        session.say("".join(problems))
        return
    before = {one.pid for one in inside.guest.alive()}
    background(inside, _invoked(session, command, "", inside))
    signs = {one.operator.rstrip(">") for one in command.redirects if one.target and one.operator != "<"}
    both = any(one.operator == "2>&1" for one in command.redirects)
    if not signs & {"&"} and not ({"", "1"} & signs and (both or "2" in signs)):
        session.holders += [one.pid for one in inside.guest.alive() if one.pid not in before]


def _one(session: Session, command: Command, piped: str, inside: Inside) -> Outcome:
    count = assignments(command.words)
    values = {}
    for word in command.words[:count]:
        name, _, rest = word.pieces[0].text.partition("=")
        value = Word((Piece(rest, word.pieces[0].expands), *word.pieces[1:]))
        values[name] = _text(session, value, inside)
    if count == len(command.words):
        session.variables.update(values)
        return Outcome()
    return run_program(inside, _invoked(session, command, piped, inside))


def _invoked(session: Session, command: Command, piped: str, inside: Inside) -> Invoked:
    words = _fields(session, command.words[assignments(command.words) :], inside)
    for redirect in command.redirects:
        if redirect.operator == "<" and redirect.target is not None:
            piped = inside.guest.files.get(_text(session, redirect.target, inside), "")
    return Invoked(tuple(words), piped, session)


def _redirected(redirects: Iterable[Redirect], outcome: Outcome, session: Session, inside: Inside) -> tuple[str, str]:
    """Return what is left for standard output and for standard error."""
    shown, errors = outcome.shown, outcome.errors
    for redirect in redirects:
        sign, target = redirect.operator, redirect.target
        if sign == "2>&1":
            shown, errors = shown + errors, ""
        elif sign in {"1>&2", ">&2"}:
            shown, errors = "", errors + shown
        elif sign.startswith("2>") and target is not None:
            errors = _written(session, redirect, errors, inside)
        elif sign.startswith("&>"):
            shown, errors = _written(session, redirect, shown + errors, inside), ""
        elif sign != "<":
            both = any(one.operator == "2>&1" for one in redirects)
            shown, errors = (
                _written(session, redirect, shown + (errors if both else ""), inside),
                ("" if both else errors),
            )
    return shown, errors


def _written(session: Session, redirect: Redirect, text: str, inside: Inside) -> str:
    """Write a file; returns what is to be shown because it could not be."""
    path = "" if redirect.target is None else _text(session, redirect.target, inside)
    if path == "/dev/null":
        return ""
    before = inside.guest.files.get(path, "") if ">>" in redirect.operator else ""
    if not inside.guest.writable(path):
        session.status = 1
        return f"bash: {path}: Read-only file system\n"
    if not inside.guest.room_for(path, before + text):
        return f"bash: {path}: No space left on device\n"
    inside.guest.files[path] = before + text
    return ""


def _fields(session: Session, words: Iterable[Word], inside: Inside) -> list[str]:
    """Replace variables and split what was not quoted at blanks."""
    fields, size = list[str](), 0
    for word in words:
        if not word.pieces:
            continue
        quoted = any(one.quoted for one in word.pieces)
        text = _text(session, word, inside)
        size += len(text)
        if size > MOST_TEXT:
            raise ShellSyntaxError("argument list too long")
        fields += [text] if quoted or not _replaces(word) else text.split()
    return fields


def _replaces(word: Word) -> bool:
    return any(one.expands and _VARIABLE.search(one.text) for one in word.pieces)


def _text(session: Session, word: Word, inside: Inside) -> str:
    text = ""
    for one in word.pieces:
        text += _expanded(session, one.text, inside) if one.expands else one.text
        if len(text) > MOST_TEXT:
            return text[:MOST_TEXT]
    return text


def _expanded(session: Session, text: str, inside: Inside) -> str:
    done, place = "", 0
    while len(done) <= MOST_TEXT and (found := _VARIABLE.search(text, place)):
        done += text[place : found.start()]
        if found[0] == "$(":
            end = _matching(text, found.end())
            done += _replaced(session, text[found.end() : end], inside)
            place = end + 1
        else:
            done += _variable(session, found[1].strip("{}"), inside)
            place = found.end()
    return (done + text[place:])[:MOST_TEXT]


def _replaced(session: Session, script: str, inside: Inside) -> str:
    """Return what stands for `$((...))` or `$(...)`."""
    if script.startswith("(") and script.endswith(")"):
        return str(_calculated(_expanded(session, script, inside), session))
    made, _ = inner(session, script, inside)
    session.status = made.status
    return made.output.rstrip("\n")


def _matching(text: str, place: int) -> int:
    depth = 1
    for end in range(place, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if depth == 0:
            return end
    return len(text)


def _calculated(text: str, session: Session) -> int:
    """Work `$((...))` out: whole numbers, variables by name, + - * / %; anything else is 0 and fails."""
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, session)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        session.status = 1
        session.say("bash: arithmetic syntax error\n")
        return 0


def _value(node: ast.expr, session: Session) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return int(session.variables.get(name, "0") or "0")
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, session)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _ARITHMETIC:
            result = _ARITHMETIC[type(operation)](_value(left, session), _value(right, session))
            return (result + 2**63) % 2**64 - 2**63
    raise ValueError("no whole numbers")


def _variable(session: Session, name: str, inside: Inside) -> str:
    if name == "?":
        return str(session.status)
    if name == "$":
        return "1000"
    return session.variables.get(name, inside.environment.get(name, ""))
