"""Shell scripts, read: words, pipelines, lists, if, while, until, for, groups; compiled to steps with jumps.

A compiled script is a flat list of steps, so that a run which waits is data (a place in the list) and can be put away
and taken up again. What is beyond this small grammar is a syntax error, as it would be for a shell that is older.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Steps that a script may compile to; loops over literal words are unrolled.
MOST_STEPS = 5000
_OPERATOR = re.compile(r"&&|\|\||;;|&>>|&>|\d?>>|\d?>&\d|\d?>|<<<|<<|<|[;&|()\n]")
_BREAKERS = " \t\r\n;&|()<>"
_RESERVED = frozenset({"then", "else", "elif", "fi", "do", "done", "}", "esac"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


class ShellSyntaxError(ValueError):
    """The script cannot be read; the message says near what."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a word: literal, or with `$` to be replaced; unquoted replacements are split at blanks."""

    text: str
    expands: bool = True
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command."""

    pieces: tuple[Piece, ...]

    @property
    def bare(self) -> str:
        """The text when nothing in it is quoted, else what no keyword is."""
        return "\0" if any(one.quoted for one in self.pieces) else "".join(one.text for one in self.pieces)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`2>file`, `>>file`, `2>&1`; `<` too."""

    operator: str
    target: Word | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command."""

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(slots=True)
class Step:
    """One step of a compiled script.

    `run` a pipeline, `spawn` it in the background, `succeed` at nothing, `jump` to a step, `jump-if` and
    `jump-unless` the last one succeeded, `not` turns its success around, `set` assigns a loop variable.
    """

    what: str
    commands: tuple[Command, ...] = ()
    target: int = 0
    words: tuple[Word, ...] = ()


@dataclass(slots=True)
class _Loop:
    breaks: list[Step] = field(default_factory=list)
    continues: list[Step] = field(default_factory=list)


def compiled(script: str) -> list[Step]:
    """Compile a script. Raises ShellSyntaxError."""
    compiler = _Compiler(_tokens(script.replace("\\\n", "")))
    compiler.block(frozenset())
    if compiler.token is not None:
        raise ShellSyntaxError(f"syntax error near unexpected token `{compiler.near}'")
    return compiler.steps


def _tokens(script: str) -> list[str | Word]:
    tokens: list[str | Word] = []
    place = 0
    while place < len(script):
        if script[place] in " \t\r":
            place += 1
        elif script[place] == "#":
            end = script.find("\n", place)
            place = len(script) if end < 0 else end
        elif found := _OPERATOR.match(script, place):
            tokens.append(found[0])
            place = found.end()
        else:
            word, place = _word(script, place)
            tokens.append(word)
    return tokens


def _word(script: str, place: int) -> tuple[Word, int]:
    pieces: list[Piece] = []
    while place < len(script) and script[place] not in _BREAKERS:
        char = script[place]
        if char == "'":
            end = _closing(script, place + 1, "'")
            pieces.append(Piece(script[place + 1 : end], expands=False, quoted=True))
            place = end + 1
        elif char == '"':
            inner, place = _double_quoted(script, place + 1)
            pieces += inner
        elif char == "\\" and place + 1 < len(script):
            pieces.append(Piece(script[place + 1], expands=False, quoted=True))
            place += 2
        else:
            end = _stretch(script, place)
            pieces.append(Piece(script[place:end]))
            place = end
    return Word(tuple(pieces)), place


def _stretch(script: str, place: int) -> int:
    """Return where an unquoted stretch ends; `$(...)` belongs to it whole."""
    start = place
    while place < len(script) and script[place] not in _BREAKERS + "'\"\\":
        place = _closing_paren(script, place + 2) + 1 if script.startswith("$(", place) else place + 1
    return max(place, start + 1)


def _double_quoted(script: str, place: int) -> tuple[list[Piece], int]:
    pieces, text = [Piece("", quoted=True)], ""
    while place < len(script) and script[place] != '"':
        if script[place] == "\\" and script[place + 1 : place + 2] in {'"', "\\", "$", "`"}:
            pieces += [Piece(text, quoted=True), Piece(script[place + 1], expands=False, quoted=True)]
            text, place = "", place + 2
        elif script.startswith("$(", place):
            end = _closing_paren(script, place + 2) + 1
            text, place = text + script[place:end], end
        else:
            text, place = text + script[place], place + 1
    if place >= len(script):
        raise ShellSyntaxError("unexpected EOF while looking for matching `\"'")
    return [*pieces, Piece(text, quoted=True)], place + 1


def _closing(script: str, place: int, quote: str) -> int:
    end = script.find(quote, place)
    if end < 0:
        raise ShellSyntaxError(f"unexpected EOF while looking for matching `{quote}'")
    return end


def _closing_paren(script: str, place: int) -> int:
    depth = 1
    while place < len(script):
        depth += {"(": 1, ")": -1}.get(script[place], 0)
        if depth == 0:
            return place
        place += 1
    raise ShellSyntaxError("unexpected EOF while looking for matching `)'")


class _Compiler:
    """Turns tokens into steps, by recursive descent."""

    def __init__(self, tokens: list[str | Word]) -> None:
        self._tokens = tokens
        self._place = 0
        self._loops: list[_Loop] = []
        self.steps: list[Step] = []

    @property
    def token(self) -> str | Word | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    @property
    def near(self) -> str:
        token = self.token
        return "newline" if token in {None, "\n"} else token.bare if isinstance(token, Word) else str(token)

    def block(self, ends: frozenset[str]) -> None:
        """Compile commands until one of the closing words, which is left standing."""
        while True:
            while self.token in {";", "\n"}:
                self._place += 1
            if self.token is None or self.token == ")" or self._keyword() in ends:
                return
            if self._keyword() in _RESERVED:
                raise ShellSyntaxError(f"syntax error near unexpected token `{self.near}'")
            self._and_or()

    def _keyword(self) -> str:
        return self.token.bare if isinstance(self.token, Word) else ""

    def _and_or(self) -> None:
        self._pipeline()
        while self.token in {"&&", "||"}:
            skip = self._emit(Step("jump-unless" if self.token == "&&" else "jump-if"))
            self._place += 1
            while self.token == "\n":
                self._place += 1
            self._pipeline()
            skip.target = len(self.steps)
        if self.token == "&":
            self._place += 1
            self._to_background()

    def _to_background(self) -> None:
        """Have the last command of a list be started without waiting; what leads to it is settled at once."""
        last = next((step for step in reversed(self.steps) if step.what == "run"), None)
        if last is not None:
            last.what = "spawn"
        self._emit(Step("succeed"))

    def _pipeline(self) -> None:
        keyword = self._keyword()
        if keyword == "!":
            self._place += 1
            self._pipeline()
            self._emit(Step("not"))
        elif keyword in {"if", "while", "until", "for", "{"} or self.token == "(":
            self._compound(keyword)
        elif keyword in {"break", "continue"}:
            self._place += 1
            self._leave(keyword)
        else:
            self._emit(Step("run", commands=tuple(self._piped())))

    def _compound(self, keyword: str) -> None:
        self._place += 1
        if keyword == "if":
            self._if()
        elif keyword == "for":
            self._for()
        elif keyword in {"while", "until"}:
            self._while("jump-unless" if keyword == "while" else "jump-if")
        else:
            self.block(frozenset({"}"}))
            self._expect_close(keyword)

    def _expect_close(self, keyword: str) -> None:
        if keyword == "{":
            self._expect("}")
        elif self.token == ")":
            self._place += 1
        else:
            raise ShellSyntaxError("syntax error: unexpected end of file")

    def _if(self) -> None:
        ends: list[Step] = []
        self.block(frozenset({"then"}))
        self._expect("then")
        skip = self._emit(Step("jump-unless"))
        self.block(frozenset({"elif", "else", "fi"}))
        ends.append(self._emit(Step("jump")))
        skip.target = len(self.steps)
        keyword = self._keyword()
        if keyword == "elif":
            self._place += 1
            self._if()
        else:
            if keyword == "else":
                self._place += 1
                self.block(frozenset({"fi"}))
            else:
                self._emit(Step("succeed"))
            self._expect("fi")
        for step in ends:
            step.target = len(self.steps)

    def _while(self, leave: str) -> None:
        loop, start = self._enter(), len(self.steps)
        self.block(frozenset({"do"}))
        self._expect("do")
        loop.breaks.append(self._emit(Step(leave)))
        self.block(frozenset({"done"}))
        self._expect("done")
        self._emit(Step("jump", target=start))
        self._close(loop, start)

    def _for(self) -> None:
        name, items = self._for_head()
        body, after = self._place, self._place
        loop = self._enter()
        for item in items:
            self._place = body
            first = len(self.steps)
            self._emit(Step("set", words=(name, item)))
            inner = len(loop.continues)
            self.block(frozenset({"done"}))
            for step in loop.continues[inner:]:
                step.target = len(self.steps)
            after = self._place
            if first == len(self.steps):
                break
        if not items:
            raise ShellSyntaxError("for: nothing to loop over")
        self._place = after
        self._expect("done")
        self._close(loop, None)

    def _for_head(self) -> tuple[Word, list[Word]]:
        name, items = self.token, list[Word]()
        self._place += 1
        self._expect("in")
        while isinstance(self.token, Word):
            items.append(self.token)
            self._place += 1
        while self.token in {";", "\n"}:
            self._place += 1
        self._expect("do")
        if not isinstance(name, Word):
            raise ShellSyntaxError(f"syntax error near unexpected token `{name}'")
        return name, items

    def _enter(self) -> _Loop:
        self._loops.append(_Loop())
        return self._loops[-1]

    def _close(self, loop: _Loop, start: int | None) -> None:
        self._loops.remove(loop)
        for step in loop.breaks:
            step.target = len(self.steps)
        if start is not None:
            for step in loop.continues:
                step.target = start

    def _leave(self, keyword: str) -> None:
        if not self._loops:
            raise ShellSyntaxError(f"{keyword}: only meaningful in a loop")
        step, loop = self._emit(Step("jump")), self._loops[-1]
        (loop.breaks if keyword == "break" else loop.continues).append(step)

    def _piped(self) -> list[Command]:
        commands = [self._simple()]
        while self.token == "|":
            self._place += 1
            while self.token == "\n":
                self._place += 1
            commands.append(self._simple())
        return commands

    def _simple(self) -> Command:
        words: list[Word] = []
        redirects: list[Redirect] = []
        while (token := self.token) is not None:
            if isinstance(token, Word):
                words.append(token)
            elif "<<" in token:
                raise ShellSyntaxError("here-documents are not known to this guest")
            elif ">" in token or token == "<":
                redirects.append(self._redirect(token))
            else:
                break
            self._place += 1
        if not words and not redirects:
            raise ShellSyntaxError(f"syntax error near unexpected token `{self.near}'")
        return Command(tuple(words), tuple(redirects))

    def _redirect(self, operator: str) -> Redirect:
        if ">&" in operator:
            return Redirect(operator)
        self._place += 1
        target = self.token
        if not isinstance(target, Word):
            raise ShellSyntaxError(f"syntax error near unexpected token `{self.near}'")
        return Redirect(operator, target)

    def _expect(self, keyword: str) -> None:
        if self._keyword() != keyword:
            raise ShellSyntaxError(
                "syntax error: unexpected end of file"
                if self.token is None
                else f"syntax error near unexpected token `{self.near}'"
            )
        self._place += 1

    def _emit(self, step: Step) -> Step:
        if len(self.steps) >= MOST_STEPS:
            raise ShellSyntaxError("the script is too long for this guest")
        self.steps.append(step)
        return step


def assignments(words: tuple[Word, ...]) -> int:
    """Count the leading words that are assignments `NAME=value`."""
    count = 0
    while count < len(words) and words[count].pieces and _ASSIGNMENT.match(words[count].pieces[0].text):
        if words[count].pieces[0].quoted:
            break
        count += 1
    return count
