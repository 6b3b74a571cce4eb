"""Pieces that many ECS requests share: pages, tags, filters, bounded numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.rpc.request import Blank, RpcRequest, Struct, Text


def _blank_is_false(value: object) -> object:
    return False if value == "" else value


#: A switch that is off unless it is set.
Switch = Annotated[bool, BeforeValidator(_blank_is_false)]
PageNumber = Annotated[Annotated[int, Field(ge=1)] | None, Blank]
PageSize = Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank]
MaxResults = Annotated[Annotated[int, Field(ge=10, le=100)] | None, Blank]
MaxResultsFromOne = Annotated[Annotated[int, Field(ge=1, le=100)] | None, Blank]


class TagPair(Struct):
    """`Tag.N.Key` and `Tag.N.Value`."""

    key: str = ""
    value: str = ""


class Filter(Struct):
    """`Filter.N.Key` and `Filter.N.Value`."""

    key: str
    value: str = ""


class Paged(RpcRequest):
    """`PageNumber` from 1 and `PageSize` up to 100."""

    page_number: PageNumber = None
    page_size: PageSize = None


class PagedEitherWay(Paged):
    """Pages, or `MaxResults` with `NextToken`; the second way is taken when either of its two is given."""

    max_results: MaxResults = None
    next_token: Text = None
