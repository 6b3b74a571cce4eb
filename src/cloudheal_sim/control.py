"""The control API below `/_sim/`: what tests, drills and the page use to look behind the scenes and to pull strings.

JSON in, JSON out; a bad request is answered 400 with the field and what was expected. A browser page from elsewhere is
refused (its `Origin` is not this server), so that visiting a web site cannot change a running simulation.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from cloudheal_sim.kernel.chaos import ChaosError
from cloudheal_sim.kernel.clock import ClockError, Mode, iso_millis, to_millis
from cloudheal_sim.kernel.faults import Rule
from cloudheal_sim.kernel.wire import HttpReply
from cloudheal_sim.kernel.world import Part, WorldError, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.kernel.wire import HttpRequest
    from cloudheal_sim.simulator import Simulator

#: Journal entries in one answer unless `limit` asks for another number.
JOURNAL_PAGE = 1000
#: Query parameters of `GET journal` that an entry must fit.
_JOURNAL_FILTERS = ("action", "service", "kind", "resource")


class ControlError(ValueError):
    """A control request that cannot be done; the message says what was expected."""


class ClockChange(Part):
    """Body of `PUT clock`; absent fields stay as they are."""

    mode: Mode | None = None
    now: AwareDatetime | None = None
    scale: float | None = Field(None, gt=0, le=1_000_000)
    skew_check: bool | None = None


class Advance(Part):
    """Body of `POST clock/advance`: seconds of virtual time, or the instant to go to."""

    seconds: float | None = Field(None, ge=0, le=100 * 365 * 86400)
    to: AwareDatetime | None = None


class Reset(Part):
    """Body of `POST reset`."""

    seed: int | None = None


class Control:
    """Answers `/_sim/...` for one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator
        self._routes: dict[tuple[str, str], Callable[[Any, dict[str, str]], object]] = {
            ("GET", "health"): self._health,
            ("POST", "reset"): self._reset,
            ("GET", "world"): lambda _body, _query: self._sim.world.dump(),
            ("PUT", "world"): self._put_world,
            ("GET", "clock"): lambda _body, _query: self._clock(),
            ("PUT", "clock"): self._put_clock,
            ("POST", "clock/advance"): self._advance,
            ("GET", "faults"): lambda _body, _query: self._faults(),
            ("PUT", "faults"): self._put_faults,
            ("GET", "journal"): self._journal,
            ("GET", "chaos"): lambda _body, _query: {"deeds": self._sim.chaos.names()},
            ("POST", "chaos"): self._chaos,
            ("POST", "events"): self._events,
        }

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one control request."""
        name = request.path.removeprefix("/_sim/").strip("/")
        route = self._routes.get((request.method, name))
        if route is None:
            return _answer(404, {"error": f"no {request.method} /_sim/{name}; {self._hint(name)}"})
        if _foreign(request):
            return _answer(403, {"error": "this page is not the simulator's own; its requests are refused"})
        try:
            self._sim.kernel.clock.catch_up()
            query = {key: values[-1] for key, values in parse_qs(request.query).items()}
            return _answer(200, route(_body(request), query))
        except (ControlError, WorldError, ClockError, ChaosError) as problem:
            return _answer(400, {"error": str(problem)})
        except ValidationError as problem:
            return _answer(400, {"error": told(problem, "")})

    def _hint(self, name: str) -> str:
        methods = [method for method, path in self._routes if path == name]
        if methods:
            return f"it answers {' and '.join(methods)}"
        return f"known paths are {', '.join(sorted({path for _, path in self._routes}))}"

    def _health(self, _body: object, _query: dict[str, str]) -> object:
        return {"status": "ok", "now": iso_millis(self._sim.kernel.clock.now()), "journal": self._last()}

    def _last(self) -> int:
        return self._sim.kernel.journal.last_seq

    def _reset(self, body: object, _query: dict[str, str]) -> object:
        self._sim.reset(Reset.model_validate(body or {}).seed)
        return {"status": "ok", "seed": self._sim.kernel.chance.seed, **self._clock()}

    def _put_world(self, body: object, _query: dict[str, str]) -> object:
        if not isinstance(body, dict):
            msg = "document: expected an object"
            raise ControlError(msg)
        self._sim.world.load(body)
        return {"status": "ok", "now": iso_millis(self._sim.kernel.clock.now())}

    def _clock(self) -> dict[str, object]:
        clock = self._sim.kernel.clock
        due, change = clock.next_due(), clock.next_change()
        return {
            "mode": clock.mode.value,
            "now": iso_millis(clock.now()),
            "now_ms": clock.now(),
            "scale": clock.scale,
            "skew_check": "on" if clock.skew_check else "off",
            "next_due": None if due is None else iso_millis(due),
            "next_change": None if change is None else iso_millis(change),
            "timers": clock.pending(),
        }

    def _put_clock(self, body: object, _query: dict[str, str]) -> object:
        change, clock = ClockChange.model_validate(body or {}), self._sim.kernel.clock
        if change.now is not None:
            clock.advance_to(to_millis(change.now))
        clock.change(change.mode or clock.mode, change.scale or clock.scale)
        if change.skew_check is not None:
            clock.skew_check = change.skew_check
        return self._clock()

    def _advance(self, body: object, _query: dict[str, str]) -> object:
        step, clock = Advance.model_validate(body or {}), self._sim.kernel.clock
        if (step.seconds is None) == (step.to is None):
            msg = "one of seconds, to: expected exactly one"
            raise ControlError(msg)
        fired = clock.advance(step.seconds) if step.to is None else clock.advance_to(to_millis(step.to))  # type: ignore[arg-type]
        return {"fired": fired, **self._clock()}

    def _faults(self) -> dict[str, object]:
        armed = self._sim.kernel.faults.armed
        rules = [{**one.rule.model_dump(mode="json"), "seen": one.seen, "fired": one.fired} for one in armed]
        return {"rules": rules}

    def _put_faults(self, body: object, _query: dict[str, str]) -> object:
        rules = body.get("rules") if isinstance(body, dict) and "rules" in body else body
        if not isinstance(rules, list):
            msg = 'rules: expected {"rules": [...]}, or the list alone'
            raise ControlError(msg)
        counters = {"seen", "fired"}
        rules = [
            {key: value for key, value in rule.items() if key not in counters} if isinstance(rule, dict) else rule
            for rule in rules
        ]
        self._sim.kernel.faults.replace(TypeAdapter(list[Rule]).validate_python(rules))
        return self._faults()

    def _journal(self, _body: object, query: dict[str, str]) -> object:
        since, limit = _whole(query, "since", 0), _whole(query, "limit", JOURNAL_PAGE)
        for name in sorted(query.keys() - {*_JOURNAL_FILTERS, "since", "limit"}):
            msg = f"{name}: unknown parameter; known are {', '.join((*_JOURNAL_FILTERS, 'since', 'limit'))}"
            raise ControlError(msg)
        wanted = {name: query[name] for name in _JOURNAL_FILTERS if name in query}
        found = [entry for entry in self._sim.kernel.journal.entries(since) if _is_wanted(entry, wanted)]
        page = found[:limit] if "since" in query or "limit" not in query else found[-limit:]
        return {"entries": [shown(entry) for entry in page], "last": self._last(), "more": len(found) > len(page)}

    def _chaos(self, body: object, _query: dict[str, str]) -> object:
        if not isinstance(body, dict) or not isinstance(body.get("do"), str):
            msg = f"do: expected one of {', '.join(self._sim.chaos.names())}"
            raise ControlError(msg)
        ids = body.get("instances")
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            msg = 'instances: expected a list of ids, such as ["i-web1"]'
            raise ControlError(msg)
        options = {key: value for key, value in body.items() if key not in {"do", "instances"}}
        with self._sim.kernel.journal.caused_by(f"chaos {body['do']}"):
            return {"hit": self._sim.chaos.do(body["do"], ids, options)}

    def _events(self, body: object, _query: dict[str, str]) -> object:
        if not isinstance(body, dict):
            msg = "event: expected an object with at least product (or source) and name (or type)"
            raise ControlError(msg)
        with self._sim.kernel.journal.caused_by("control"):
            return self._sim.publish(body)


def shown(entry: Entry) -> dict[str, object]:
    """Turn an entry into its JSON form, without the fields that say nothing."""
    facts = dataclasses.asdict(entry)
    facts["at"] = iso_millis(entry.at)
    return {name: value for name, value in facts.items() if value not in ("", 0, [], (), {})}


def _is_wanted(entry: Entry, wanted: dict[str, str]) -> bool:
    resource = wanted.get("resource")
    if resource and resource not in entry.resources and all(change.id != resource for change in entry.changes):
        return False
    return all(getattr(entry, name) == value for name, value in wanted.items() if name != "resource")


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        msg = f"{name}: expected a whole number, at least 0, got {text[:40]!r}"
        raise ControlError(msg)
    return int(text)


def _body(request: HttpRequest) -> object:
    if not request.body:
        return None
    try:
        return from_json(request.body, allow_inf_nan=False)
    except ValueError as problem:
        msg = f"body: expected JSON ({problem})"
        raise ControlError(msg) from problem


def _foreign(request: HttpRequest) -> bool:
    """Say whether a browser makes this request for a site other than ours, also under a name that points here."""
    origin = urlsplit(request.header("origin"))
    if not request.header("origin"):
        return False
    named = bool(origin.hostname) and origin.hostname != "localhost" and not _is_address(str(origin.hostname))
    return named or origin.netloc != request.header("host")


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _answer(status: int, document: object) -> HttpReply:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return HttpReply(status, to_json(document), headers)
