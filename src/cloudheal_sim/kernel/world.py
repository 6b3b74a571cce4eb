"""The whole world as one document: read it, replace it, read back exactly what was set.

Every service owns some keys of its cloud's part of the document. A new document is read completely before anything is
replaced, so that a bad one changes nothing; the error names the place and what was expected there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from cloudheal_sim.kernel.clock import LONGEST_SECONDS, checked, iso_millis, to_millis

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudheal_sim.kernel.core import Kernel

M = TypeVar("M", bound=BaseModel)
#: How long something takes, in seconds of virtual time.
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
#: What a validator's words are for people who write documents; the rest are plain already.
_PLAIN = {
    "extra_forbidden": "unknown key; is it misspelt, or in the wrong place?",
    "missing": "expected, but absent",
    "timezone_aware": "expected an instant with its zone, such as 2026-01-01T00:00:00Z",
}


class WorldError(ValueError):
    """A world document that cannot be; the message names the place and what was expected."""


class Part(BaseModel):
    """Base of every piece of a world document: unknown keys are errors, because they are misspelt ones."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Section(Protocol):
    """One service's share of a world document."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the cloud's part that this section owns."""

    def read(self, part: Mapping[str, Any]) -> object:
        """Validate the owned keys (absent ones mean empty or default) without touching anything. Raises WorldError."""

    def install(self, parsed: Any) -> None:
        """Replace the present state by what `read` returned; timers are planned anew from it."""

    def dump(self) -> dict[str, object]:
        """Return the full form of the present state, JSON-ready, under the owned keys."""


@dataclass(frozen=True, slots=True)
class World:
    """Reads and writes the document over all sections."""

    kernel: Kernel
    clouds: Mapping[str, Sequence[Section]]

    def dump(self) -> dict[str, object]:
        """Return the world as one JSON-ready document, every short form expanded."""
        clock = self.kernel.clock
        document: dict[str, object] = {"now": iso_millis(clock.now()), "seed": self.kernel.chance.seed}
        document["drawn"] = self.kernel.chance.drawn()
        document["quotas"] = self.kernel.quotas.per_second
        for cloud, sections in self.clouds.items():
            document[cloud] = {key: value for section in sections for key, value in section.dump().items()}
        return document

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the world. Raises WorldError and changes nothing when the document cannot be read."""
        self._refuse_strangers(document)
        head = parsed(_Head, {k: v for k, v in document.items() if k not in self.clouds}, "")
        begin = checked(to_millis(head.now)) if head.now else None
        plans = [(section, section.read(part)) for section, part in self._parts(document)]
        self.kernel.outbound.abandon()
        self.kernel.clock.restart(self.kernel.clock.now() if begin is None else begin)
        if head.seed is not None or head.drawn is not None:
            seed = self.kernel.chance.seed if head.seed is None else head.seed
            self.kernel.chance.restart(seed, head.drawn)
        self.kernel.quotas.replace(head.quotas)
        with self.kernel.journal.caused_by("world"):
            for section, plan in plans:
                section.install(plan)

    def _refuse_strangers(self, document: Mapping[str, Any]) -> None:
        """Name a key that no document has; one that belongs below a cloud is the usual slip."""
        known = {*_Head.model_fields, *self.clouds}
        for name in sorted(document.keys() - known):
            homes = [cloud for cloud, sections in self.clouds.items() if any(name in one.keys for one in sections)]
            hint = f"it belongs below {homes[0]}" if homes else f"known are {', '.join(sorted(known))}"
            msg = f"{name}: unknown key; {hint}"
            raise WorldError(msg)

    def _parts(self, document: Mapping[str, Any]) -> list[tuple[Section, Mapping[str, Any]]]:
        regions = {"regions": document["regions"]} if "regions" in document else {}
        parts: list[tuple[Section, Mapping[str, Any]]] = []
        for cloud, sections in self.clouds.items():
            part = document.get(cloud, {})
            if not isinstance(part, dict):
                msg = f"{cloud}: expected an object"
                raise WorldError(msg)
            known = frozenset[str]().union(*(section.keys for section in sections))
            for name in sorted(part.keys() - known):
                msg = f"{cloud}.{name}: unknown key; known are {', '.join(sorted(known))}"
                raise WorldError(msg)
            parts += [(section, _owned(section, {**regions, **part})) for section in sections]
        return parts


class _Head(Part):
    now: AwareDatetime | None = None
    seed: int | None = None
    drawn: dict[str, Annotated[int, Field(ge=0)]] | None = None
    regions: list[Any] | None = None
    quotas: dict[str, float] = {}


def _owned(section: Section, part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in part if name in section.keys}


def parsed(model: type[M], value: object, where: str) -> M:
    """Validate one piece of a document. Raises WorldError naming the place below `where`."""
    try:
        return model.model_validate(value)
    except ValidationError as problem:
        raise WorldError(told(problem, where)) from problem


def once(where: str, ids: Collection[str]) -> set[str]:
    """Return ids that are each there once. Raises WorldError naming one that is there twice."""
    unique = set(ids)
    if len(unique) != len(ids):
        twice = next(id_ for id_, times in Counter(ids).items() if times > 1)
        msg = f"{where}: the id {twice!r} is there twice"
        raise WorldError(msg)
    return unique


def told(problem: ValidationError, where: str) -> str:
    """Say what is wrong first of all: the place below `where`, and what was expected there."""
    first = problem.errors(include_url=False)[0]
    place = ".".join([*([where] if where else []), *(str(part) for part in first["loc"])])
    said = _PLAIN.get(first["type"], first["msg"])
    return f"{place or 'document'}: {said}"
