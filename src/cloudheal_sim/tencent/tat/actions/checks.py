"""What a command and its parameters must be, checked before anything is made of them; every check may refuse."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused
from cloudheal_sim.tencent.tat import errors
from cloudheal_sim.tencent.tat.model import placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudheal_sim.tencent.tat.requests import DefaultParameterConf

#: Characters of content in Base64, of a description; bytes of a name.
MOST_CONTENT, MOST_DESCRIPTION, MOST_NAME = 64 * 1024, 120, 60
LONGEST_TIMEOUT = 86_400
MOST_PARAMETERS, LONGEST_KEY = 20, 64
_NAME = re.compile(r"[\w\u4e00-\u9fff.-]*")
_USER = re.compile(r"[A-Za-z0-9_.\\-]{1,256}")
_KEY = re.compile(r"[A-Za-z0-9_-]+")


def content_of(encoded: str) -> str:
    """Return the text of a command."""
    if not encoded or len(encoded) > MOST_CONTENT:
        raise Refused(errors.BAD_CONTENT)
    try:
        return b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as problem:
        raise Refused(errors.BAD_CONTENT) from problem


def name_of(text: str) -> str:
    """Return the name of a command."""
    if len(text.encode()) > MOST_NAME or not _NAME.fullmatch(text):
        raise Refused(errors.BAD_NAME)
    return text


def described(text: str) -> str:
    """Return a description."""
    if len(text) > MOST_DESCRIPTION:
        raise Refused(errors.TOO_LONG, name="Description", limit=MOST_DESCRIPTION)
    return text


def timeout_of(seconds: int) -> int:
    """Return a time limit in seconds."""
    if not 1 <= seconds <= LONGEST_TIMEOUT:
        raise Refused(errors.OUT_OF_RANGE, name="Timeout", least=1, most=LONGEST_TIMEOUT)
    return seconds


def user_of(name: str) -> str:
    """Return whom a command runs as; root when nobody is named."""
    if name and not _USER.fullmatch(name):
        raise Refused(errors.BAD_USERNAME)
    return name or "root"


def directory_of(path: str) -> str:
    """Return where a command runs; /root when nothing is named."""
    if path and not path.startswith("/"):
        raise Refused(errors.BAD_DIRECTORY)
    return path or "/root"


def type_of(kind: str) -> str:
    """Return the kind of a command; every instance here is Linux, where agents know SHELL alone."""
    if kind != "SHELL":
        raise Refused(errors.UNSUPPORTED_TYPE, type=kind[:40])
    return kind


def parameters_of(text: str, name: str) -> dict[str, str]:
    """Read parameters written as a JSON object of texts."""
    if not text:
        return {}
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise Refused(errors.NOT_JSON, name=name) from problem
    if not isinstance(read, dict):
        raise Refused(errors.NOT_JSON, name=name)
    return _checked(read)


def defaults_of(text: str, confs: Sequence[DefaultParameterConf]) -> dict[str, str]:
    """Return the parameters by default in either of their two forms, which exclude each other."""
    if text and confs:
        raise Refused(errors.CONFLICT, one="DefaultParameters", other="DefaultParameterConfs")
    if confs:
        return _checked({one.parameter_name: one.parameter_value for one in confs})
    return parameters_of(text, "DefaultParameters")


def filled(content: str, values: Mapping[str, str]) -> Mapping[str, str]:
    """Return parameters of which none is missing."""
    missing = sorted(set(placeholders(content)) - set(values))
    if missing:
        raise Refused(errors.MISSING_VALUES, names=", ".join(missing))
    return values


def _checked(values: Mapping[str, object]) -> dict[str, str]:
    if len(values) > MOST_PARAMETERS:
        raise Refused(errors.TOO_MANY_PARAMETERS)
    for key, value in values.items():
        if len(key) > LONGEST_KEY:
            raise Refused(errors.KEY_TOO_LONG)
        if not _KEY.fullmatch(key):
            raise Refused(errors.BAD_KEY)
        if not isinstance(value, str):
            raise Refused(errors.VALUE_NOT_TEXT)
    return {key: str(value) for key, value in values.items()}
