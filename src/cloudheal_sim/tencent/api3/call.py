"""Wire in, first half: one request of API 3.0 taken apart, before anyone asked whether it may.

Where things stand depends on the signature: with TC3 all but the parameters travels in headers, with the older one
everything is a query or form parameter. Parameters that cannot be read are no reason to refuse before the signature is
checked: the reason is kept and told in its turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from cloudheal_sim.kernel.parameters import (
    ContradictionError,
    UnreadableParametersError,
    flattened,
    of_query,
    raw,
    shown,
    unflattened,
    well_formed,
)
from cloudheal_sim.tencent.api3.request import COMMON
from cloudheal_sim.tencent.api3.signature import claim_tc3, claim_v1

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.kernel.wire import HttpRequest
    from cloudheal_sim.tencent.api3.signature import Claim

FORM_TYPE = "application/x-www-form-urlencoded"
_SIGNED_V1 = re.compile(rb"(?:^|&)SecretId=")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what it asks for, in which words, and how to check who asks."""

    action: str
    version: str
    region: str
    timestamp: str
    language: str
    claim: Callable[[], Claim]
    """Reads the claim of the signature. Raises MalformedAuthorizationError."""
    parameters: dict[str, Any] = field(default_factory=dict)
    flat: Mapping[str, str] = field(default_factory=dict)
    """The parameters as flat text, for fault rules and the journal."""
    problem: str = ""
    """Why the parameters cannot be read; empty when they can."""


def is_of_tencent(request: HttpRequest) -> bool:
    """Say whether a request speaks API 3.0, by what it carries and never by the host it names."""
    if "x-tc-action" in request.headers or request.header("authorization").startswith("TC3-"):
        return True
    return bool(_SIGNED_V1.search(raw(request.query)) or (_is_form(request) and _SIGNED_V1.search(request.body)))


def read_call(request: HttpRequest) -> Call:
    """Take a request apart; what cannot be read becomes its `problem`."""
    if "x-tc-action" in request.headers or request.header("authorization"):
        return _tc3_call(request)
    try:
        parameters = of_query(raw(request.query) if request.method == "GET" else request.body)
    except UnreadableParametersError as problem:
        return _v1_call(request, {}, str(problem))
    return _v1_call(request, parameters, "")


def _tc3_call(request: HttpRequest) -> Call:
    tree, problem = _read(lambda: _tree(request))
    flat, told = _read(lambda: flattened(tree, first=0))
    return Call(
        action=request.header("x-tc-action"),
        version=request.header("x-tc-version"),
        region=request.header("x-tc-region"),
        timestamp=request.header("x-tc-timestamp"),
        language=request.header("x-tc-language"),
        claim=lambda: claim_tc3(request),
        parameters=tree,
        flat=flat,
        problem=problem or told,
    )


def _v1_call(request: HttpRequest, parameters: dict[str, str], problem: str) -> Call:
    own = {name: value for name, value in parameters.items() if name not in COMMON}
    tree, told = _read(lambda: _of_flat(own))
    return Call(
        action=parameters.get("Action", ""),
        version=parameters.get("Version", ""),
        region=parameters.get("Region", ""),
        timestamp=parameters.get("Timestamp", ""),
        language=parameters.get("Language", ""),
        claim=lambda: claim_v1(request, parameters),
        parameters=tree,
        flat=own,
        problem=problem or told,
    )


def _read(reader: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    try:
        return reader(), ""
    except (UnreadableParametersError, ContradictionError) as problem:
        return {}, shown(str(problem), 200)


def _tree(request: HttpRequest) -> dict[str, Any]:
    if request.method == "GET":
        return _of_flat(of_query(raw(request.query)))
    if _is_form(request):
        return _of_flat(of_query(request.body))
    if not request.body:
        return {}
    try:
        document = from_json(request.body, allow_inf_nan=False)
    except ValueError as problem:
        raise UnreadableParametersError(str(problem)) from problem
    if not isinstance(document, dict):
        msg = "expected an object"
        raise UnreadableParametersError(msg)
    return document


def _of_flat(parameters: Mapping[str, str]) -> dict[str, Any]:
    if (bad := well_formed(parameters)) is not None:
        raise ContradictionError(bad)
    return unflattened(parameters)


def _is_form(request: HttpRequest) -> bool:
    return request.header("content-type").partition(";")[0].strip().lower() == FORM_TYPE
