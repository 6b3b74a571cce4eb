"""Secrets are taken out of texts, whatever a library made of them, and nothing else is."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.settings.schema import Settings
from cloudheal.settings.secrets import MASK, Scrubber, secrets_of

SECRET = "sK9+vT/2 m\"Xq'8%Jw\\4Zß"
WORDS = st.text(st.characters(codec="utf-8"), min_size=8, max_size=40)
AROUND = st.binary(max_size=7)
ACCOUNT = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}


def settings(**more: object) -> Settings:
    """Return the smallest settings, and more."""
    return Settings.model_validate({"accounts": [ACCOUNT], **more})


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        quote(SECRET),
        quote(SECRET, safe=""),
        re.sub(r"%\w\w", lambda found: found[0].lower(), quote(SECRET, safe="")),
        quote_plus(SECRET),
    ],
)
def test_what_libraries_make_of_a_secret_is_masked(shown: str) -> None:
    """Escaped for JSON or a repr, percent-encoded in any way: only the mask is left."""
    assert Scrubber.of([SECRET])(f"before {shown} after {shown}") == f"before {MASK} after {MASK}"


@given(secret=WORDS, before=AROUND, after=AROUND)
def test_base64_of_a_text_that_holds_a_secret_is_masked_at_every_offset(
    secret: str, before: bytes, after: bytes
) -> None:
    """Of a Basic header, or a whole body that is quoted: no more than the bits at its edges are left."""
    encode = (base64.b64encode, base64.urlsafe_b64encode)
    for text in (one(before + secret.encode() + after).decode() for one in encode):
        shown = Scrubber.of([secret])(text)
        assert MASK in shown
        assert len(shown) <= len(base64.b64encode(before + after)) + len(MASK) + 4


@given(secret=WORDS, others=st.lists(WORDS, max_size=4), text=st.text(max_size=80))
def test_no_secret_is_left_and_a_text_without_one_is_the_same_object(secret: str, others: list[str], text: str) -> None:
    """Also when one secret is a part of another one; what holds none is not even copied."""
    scrub = Scrubber.of([secret, secret + "more", *others])
    assert secret not in scrub(f"{text}{secret}more{text}{secret}{text}").replace(MASK, "\0")
    if not any(form in text for form in scrub.forms):
        assert scrub(text) is text


def test_a_short_secret_tears_no_words_apart() -> None:
    """Fewer than eight characters stand in too many words."""
    assert Scrubber.of(["rot", ""])("a rotten word") == "a rotten word"


def test_secrets_are_found_behind_every_setting() -> None:
    """Keys, listener, notifiers, the watcher, the database, proxies and what the platform hands out."""
    found = secrets_of(
        settings(
            database="postgresql://healer:p%40ssw0rd%2F1@db.example.com:5432/cloudheal?sslpassword=for-the-key-1",
            listen={"sources": [{"name": "a", "proof": "basic", "secret_env": "HOOK"}]},
            notify={"targets": [{"name": "chat", "url_env": "CHAT"}, {"name": "ding", "url_env": "DING"}]},
            watch={"dead_man": {"url_env": "WATCHER"}},
        ),
        {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI5tQx7ZmW",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "sK9vT2mXq8Jw",
            "ALIBABA_CLOUD_SECURITY_TOKEN": "CAIS8gF1q6Ft",
            "HOOK": "aliyun:another-long-word",
            "CHAT": "slack://T0A1B2C3D/A1B2C3D4E/x8Yz0Qw2/#notifications",
            "DING": "dingtalk://a1b2c3d4e5f6",
            "WATCHER": "https://watch.example.com/ping/0f9e8d7c6b5a?token=4a3b2c1d",
            "https_proxy": "http://me:pr0xy%2Dword@proxy.example.com:3128",
        },
    )
    assert found >= {
        *("LTAI5tQx7ZmW", "sK9vT2mXq8Jw", "CAIS8gF1q6Ft", "another-long-word", "p@ssw0rd/1", "p%40ssw0rd%2F1"),
        *("for-the-key-1", "T0A1B2C3D", "A1B2C3D4E", "x8Yz0Qw2", "a1b2c3d4e5f6", "0f9e8d7c6b5a", "4a3b2c1d"),
        *("pr0xy-word", "https://watch.example.com/ping/0f9e8d7c6b5a?token=4a3b2c1d"),
    }
    openly = {"healer", "cloudheal", "db.example.com", "watch.example.com", "notifications", "ping", "aliyun"}
    assert not found & openly


@pytest.mark.parametrize("url", ["postgresql://postgres:postgres@localhost/postgres", "sqlite:////srv/a:b@example.db"])
def test_what_everybody_may_read_is_no_secret(url: str) -> None:
    """A password that is the name of its own user would make every second line unreadable; a file has none."""
    assert secrets_of(settings(database=url), {}) == frozenset()
