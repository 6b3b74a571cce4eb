"""URLs become names of series that stay few, and say what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.logs.urls import MOST_CHARACTERS, normaliser, templated, without_query


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/item/123?x=1", "/item/{id}"),
        ("/item/123", "/item/{id}"),
        ("/item/123/", "/item/{id}/"),
        ("/a/1/b/2.json#top", "/a/{id}/b/{id}.json"),
        ("/u/6f1b9e9c-8a3d-4c39-9f4e-1f9f3f1b2a77/cart", "/u/{uuid}/cart"),
        ("/o/507f1f77bcf86cd799439011", "/o/{hex}"),
        ("/static/9F86D081884C.min.js", "/static/{hex}.min.js"),
        ("/v2/facade/decadeface/items", "/v2/facade/decadeface/items"),
        ("/dead1", "/dead1"),
        ("/", "/"),
        ("-", "-"),
        ("", ""),
        ("/ubuntu.iso", "/ubuntu.iso"),
        ("/a?b?c#d", "/a"),
        ("/%31%32", "/%31%32"),
        ("/１２", "/１２"),
        ("/12\n", "/12\n"),
    ],
)
def test_what_differs_each_time_is_named_for_what_it_is(url: str, name: str) -> None:
    """The query goes, ids, UUIDs and hexadecimal pieces are templates, words and endings stay."""
    assert normaliser()(url) == name


def test_rules_of_the_operator_come_first_and_in_order() -> None:
    """Each sees what the one before made of the path; what they leave is templated."""
    name = normaliser([(r"^/shop/[^/]+", "/shop/{name}"), (r";jsessionid=[^/]*", ""), (r"/(en|zh)/", r"/\1-page/")])
    assert name("/shop/red-shoes/zh/12;jsessionid=A1?x=/shop/y") == "/shop/{name}/zh-page/{id}"


def test_a_rule_that_is_none_is_refused() -> None:
    """A counter is never begun with it."""
    with pytest.raises(ValueError, match="missing \\)"):
        normaliser([("(", "")])


def test_a_path_without_end_is_cut() -> None:
    """However long a line is, rules search no further."""
    assert len(normaliser()("/" + "x" * 100_000)) == MOST_CHARACTERS


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("/?#.-0123456789abcdefg"), max_size=80))
def test_a_name_has_no_query_and_is_its_own_name(url: str) -> None:
    """Whatever comes in, what was templated once stays as it is, and nothing behind ? or # is left."""
    name = normaliser()(url)
    assert "?" not in name
    assert "#" not in name
    assert templated(name) == name
    assert normaliser()(name) == name
    assert without_query(url).count("/") == name.count("/")
