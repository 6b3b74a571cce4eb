"""Short forms of a world document: one server by its id, or so many of a kind under numbered ids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

Id = Annotated[str, Field(min_length=1, max_length=128)]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class OneOrMany:
    """One server, or `count` of them under ids `<prefix>-000001` and so on, with what people call and mark it.

    A slotted dataclass, because there may be a hundred thousand, and models take several times the memory.
    """

    id: Id | None = None
    count: int | None = Field(None, ge=1, le=1_000_000)
    prefix: Id | None = None
    name: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    group: str | None = Field(None, description="short for the tag `group`")
    desired: Literal["on", "off"] | None = Field(None, description="short for the tag `desired`")

    @model_validator(mode="after")
    def _one_or_many(self) -> OneOrMany:
        if (self.id is None) == (self.count is None):
            msg = "give either id, or count with prefix"
            raise ValueError(msg)
        if (self.count is None) != (self.prefix is None):
            msg = "count and prefix belong together"
            raise ValueError(msg)
        return self

    @property
    def ids(self) -> list[str]:
        """The ids of the servers meant."""
        if self.count is None:
            return [self.id or ""]
        return [f"{self.prefix}-{number:06d}" for number in range(1, self.count + 1)]

    def name_of(self, id_: str) -> str:
        """Return the name of one of them: the id, unless they have one; of many with its number."""
        if self.name is None:
            return id_
        return self.name if self.count is None else f"{self.name}-{id_.rpartition('-')[2]}"

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags, the short forms among them."""
        short = {"group": self.group, "desired": self.desired}
        return {**self.tags, **{key: value for key, value in short.items() if value is not None}}
