"""The tables of fields in the reference pages: what a document may say is read from the models, what it means stays.

A page marks a table with `<!-- fields PLACE -->` and `<!-- end -->`. PLACE is where something stands in the world
document (`alibaba.instances.spot`), the share of the service that owns a key (`share:queues`, with its cloud where both
have one: `share:alibaba.instances`), a model of the
control API by name (`control:Reset`), one of the settings (`settings/schema:Settings`) or of a scenario file
(`drills/scenario:Step`).
`python -m tests.docs.fields` (part of `make reference`) writes the first three columns anew and keeps the meanings that
people wrote; it refuses a place that does not exist.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from cloudheal.settings.durations import written
from cloudheal_sim.simulator import Simulator
from tests.conftest import ROOT
from tests.docs.pages import Page, pages_below, slug

_TABLE = re.compile(r"<!-- fields (?P<place>\S+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
_ROW = re.compile(r"^\| `(?P<name>\w+)` \|.*\| (?P<meaning>(?:[^|\\]|\\.)*?) \|$", re.MULTILINE)
_REQUIRED = object()
CLOUDS = ("alibaba", "tencent")

_WORDS = {
    "en": {
        "head": "| field | value | default | meaning |",
        "text": "text",
        "number": "number",
        "whole": "whole number",
        "bool": "`true` or `false`",
        "instant": "instant",
        "duration": "duration",
        "time": "time of day",
        "any": "anything",
        "list": "list of {}",
        "map": "object: {}",
        "or": " or ",
        "required": "required",
        "range": "{} to {}",
        "least": "at least {}",
        "most": "at most {}",
        "comma": ", ",
    },
    "zh": {
        "head": "| 字段 | 取值 | 默认 | 含义 |",
        "text": "文本",
        "number": "数字",
        "whole": "整数",
        "bool": "`true` 或 `false`",
        "instant": "时刻",
        "duration": "时长",
        "time": "时刻（一天中）",
        "any": "任意",
        "list": "列表：{}",
        "map": "对象：{}",
        "or": " 或 ",
        "required": "必填",
        "range": "{} 到 {}",
        "least": "不小于 {}",
        "most": "不大于 {}",
        "comma": "，",
    },
}


@dataclass(frozen=True)
class Field:
    """One field of a model: what it takes, and what it is when nobody says."""

    name: str
    annotation: Any
    metadata: tuple[Any, ...]
    default: object


def model_at(place: str) -> type:
    """Return the model that a page names; fails where there is none."""
    cloud, _, names = place.partition(".")
    if cloud in CLOUDS:
        return _in_document(cloud, names.split("."))
    if place.startswith("share:"):
        cloud, _, key = place.removeprefix("share:").rpartition(".")
        (share,) = [one for one in shares(*([cloud] if cloud else CLOUDS)) if key in one.model_fields]
        return share
    module, _, name = place.partition(":")
    package = "cloudheal" if module.startswith(("settings/", "drills/")) else "cloudheal_sim"
    found = getattr(importlib.import_module(f"{package}.{module.replace('/', '.')}"), name)
    assert isinstance(found, type), f"{place} is no model"
    assert is_model(found), f"{place} is no model"
    return found


def _in_document(cloud: str, names: list[str]) -> type:
    """Follow the names of a place in one cloud's part of the world document; lists are passed through."""
    models: list[type] = list(shares(cloud))
    for name in names:
        found = [field for model in models for field in fields_of(model) if field.name == name]
        assert len(found) == 1, f"{'.'.join(names)}: {name} is in {len(found)} places"
        models = list(_models_in(found[0].annotation))
    (model,) = models
    return model


def is_model(kind: object) -> bool:
    """Say whether a type has fields of its own."""
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind))


def fields_of(model: type) -> Iterator[Field]:
    """Yield the fields of a pydantic model, a pydantic dataclass or a plain one, as they are declared."""
    infos: Mapping[str, FieldInfo] | None = getattr(model, "__pydantic_fields__", None)
    if infos is not None:
        for name, info in infos.items():
            default = (
                _REQUIRED if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
            )
            yield Field(info.alias or name, info.annotation, tuple(info.metadata), default)
        return
    hints = typing.get_type_hints(model, include_extras=True)
    for one in dataclasses.fields(model):
        yield Field(one.name, hints[one.name], (), _REQUIRED if one.default is dataclasses.MISSING else one.default)


def world_models() -> set[type]:
    """Return every model that a world document can hold a piece of, the shares of the services included."""
    return models_from(*shares(*CLOUDS))


def models_from(*first: type) -> set[type]:
    """Return models and every model that is part of them."""
    found: set[type] = set()
    waiting: list[type] = list(first)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.add(model)
            waiting += [kind for field in fields_of(model) for kind in _models_in(field.annotation)]
    return found


@cache
def shares(*clouds: str) -> tuple[type[BaseModel], ...]:
    """Return the models whose fields are exactly the keys of a service's section."""
    owned = [section.keys for cloud in clouds for section in Simulator().world.clouds[cloud]]
    found: list[type[BaseModel]] = []
    waiting = BaseModel.__subclasses__()
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if model.__module__.startswith("cloudheal_sim.") and frozenset(model.model_fields) in owned:
            found.append(model)
    assert len(found) == len(owned)
    return tuple(found)


def _models_in(annotation: Any) -> Iterator[type]:
    if is_model(annotation):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)


@dataclass(frozen=True)
class Writer:
    """Writes the tables of the pages of one language."""

    language: str
    headings: Mapping[type, tuple[Path, str]]
    """Where the table of each model stands, and under which heading."""

    @property
    def words(self) -> dict[str, str]:
        """The words of the language."""
        return _WORDS[self.language]

    def page(self, path: Path) -> str:
        """Return the text of a page with its tables as the models have them."""
        return _TABLE.sub(lambda found: self._table(found, path), path.read_text(encoding="utf-8"))

    def _table(self, found: re.Match[str], path: Path) -> str:
        meanings = {row["name"]: row["meaning"] for row in _ROW.finditer(found["body"])}
        rows = [
            f"| `{field.name}` | {self.form(field, path)} | {self._default(field)} | {meanings.get(field.name, '')} |"
            for field in fields_of(model_at(found["place"]))
        ]
        lines = [f"<!-- fields {found['place']} -->", self.words["head"], "| --- | --- | --- | --- |", *rows]
        return "\n".join([*lines, "<!-- end -->"])

    def form(self, field: Field, path: Path) -> str:
        """Say what a field takes."""
        return self._bounded(self._form(field.annotation, field.metadata, path), field.metadata)

    def _form(self, kind: Any, metadata: tuple[Any, ...], path: Path) -> str:
        words = self.words
        if any(isinstance(one, BeforeValidator) and one.func.__name__ == "_instant" for one in metadata):
            return words["instant"]
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            inner, *extra = parts
            return self._bounded(self._form(inner, tuple(extra), path), tuple(extra))
        if origin in {tuple, list}:
            return self._listed(parts, path)
        if origin is dict:
            return words["map"].format(self._form(parts[1], (), path))
        if origin is None:
            return self._single(kind, path)
        told = [part for part in parts if part is not type(None)]
        forms = [
            f"`{json.dumps(part) if part is True else part}`"
            if origin is typing.Literal
            else self._form(part, (), path)
            for part in told
        ]
        return words["or"].join(dict.fromkeys(forms))

    def _listed(self, parts: tuple[Any, ...], path: Path) -> str:
        forms = [self._form(part, (), path) for part in parts if part is not Ellipsis]
        if len(parts) == len(forms) > 1:
            return f"\\[{', '.join(forms)}\\]"
        return self.words["list"].format(forms[0])

    def _single(self, kind: Any, path: Path) -> str:
        if is_model(kind):
            page, heading = self.headings[kind]
            return f"[{heading}]({'' if page == path else page.name}#{slug(heading)})"
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self.words["or"].join(f"`{one.value}`" for one in kind)
        simple = {bool: "bool", int: "whole", float: "number", str: "text"}
        simple |= {datetime: "instant", timedelta: "duration", time: "time"}
        return self.words[simple.get(kind, "instant" if getattr(kind, "__name__", "") == "AwareDatetime" else "any")]

    def _bounded(self, form: str, metadata: tuple[Any, ...]) -> str:
        flat = [part for one in metadata for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
        least = next((one.ge if isinstance(one, Ge) else one.gt for one in flat if isinstance(one, Ge | Gt)), None)
        most = next((one.le if isinstance(one, Le) else one.lt for one in flat if isinstance(one, Le | Lt)), None)
        above = any(isinstance(one, Gt) for one in flat)
        if least is None and most is None:
            return form
        if least is None or most is None:
            word = "> {}" if above else self.words["least" if most is None else "most"]
            return form + self.words["comma"] + word.format(least if most is None else most)
        return form + self.words["comma"] + self.words["range"].format(least, most)

    def _default(self, field: Field) -> str:
        if field.default is _REQUIRED or field.default is PydanticUndefined:
            return self.words["required"]
        plain = written(field.default) if isinstance(field.default, timedelta) else to_jsonable_python(field.default)
        if plain in (None, "", [], {}) or isinstance(plain, dict) or (isinstance(plain, list) and plain[0] == {}):
            return "–"
        text = plain if isinstance(plain, str) else json.dumps(plain)
        return f"`{text}`"


def reference_pages(language: str) -> list[Path]:
    """Return the pages that hold tables of fields."""
    return [page.path for page in pages_below(ROOT / "docs" / language) if _TABLE.search(page.text)]


def writer(language: str) -> Writer:
    """Return a writer that knows where every table of the language stands."""
    found: dict[type, tuple[Path, str]] = {}
    for path in reference_pages(language):
        text = path.read_text(encoding="utf-8")
        for table in _TABLE.finditer(text):
            heading = re.findall(r"^#+ +(.+?)\s*$", text[: table.start()], re.MULTILINE)[-1]
            found[model_at(table["place"])] = (path, heading)
    return Writer(language, found)


def places(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the tables of a page: the place of each, and the meaning of each field."""
    return [
        (table["place"], {row["name"]: row["meaning"] for row in _ROW.finditer(table["body"])})
        for table in _TABLE.finditer(Page(path).text)
    ]


def main() -> None:
    """Write every table anew."""
    for language in _WORDS:
        author = writer(language)
        for path in reference_pages(language):
            path.write_text(author.page(path), encoding="utf-8")


if __name__ == "__main__":
    main()
