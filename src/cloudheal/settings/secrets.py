"""The secrets that a settings file leads to, and how they are taken out of a text.

A secret shows in the disguises that libraries give it: escaped in JSON or a repr, percent-encoded in a URL, as Base64
at whichever offset it stood. All of them are looked for. What is shorter than eight characters is left alone, and so is
a password that is the name of its own user or database: as a piece of ordinary words it would make texts unreadable.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from cloudheal.settings.schema import Settings

MASK = "***"
SHORTEST = 8
#: An ordinary word of a URL, such as `notifications`, is no secret by itself unless it is as long as a passphrase.
_WORD, _PASSPHRASE = re.compile(r"[a-z]+(?:[-_.][a-z]+)*"), 16
_ESCAPED = re.compile(r"%[0-9A-F]{2}")
#: Where the platforms hand out short-lived keys, and the database's library looks for a password.
_BY_ENVIRONMENT = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "TENCENTCLOUD_SECRET_ID",
    "TENCENTCLOUD_SECRET_KEY",
    "TENCENTCLOUD_TOKEN",
    "TENCENTCLOUD_SECRETID",
    "TENCENTCLOUD_SECRETKEY",
    "TENCENTCLOUD_SESSIONTOKEN",
    "PGPASSWORD",
)
#: URLs of proxies, which may hold a password; libraries read the lower case too.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Takes known secrets out of texts; a text that holds none costs a search for each form and comes back as it is."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Scrubber:
        """Return the scrubber of these secrets in every form, the longest first so that none leaves a rest."""
        forms = {form for one in secrets if len(one) >= SHORTEST for form in _forms(one)}
        return cls(tuple(sorted(forms, key=lambda form: (-len(form), form))))

    def __call__(self, text: str) -> str:
        """Return a text without secrets. A text must be whole: half a secret is not recognised."""
        for form in self.forms:
            if form in text:
                text = text.replace(form, MASK)
        return text


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> frozenset[str]:
    """Return every secret that settings name and an environment holds."""
    found = {environment.get(name, "") for name in _BY_ENVIRONMENT}
    for account in settings.accounts:
        found |= {environment.get(name, "") for name in account.key_variables}
        found.add(account.kafka.password(environment) if account.kafka else "")
    for source in settings.listen.sources if settings.listen else ():
        found.update(_of_source(environment.get(source.secret_env, ""), source.proof))
    if settings.listen:
        found.add(environment.get(settings.listen.token_env, ""))
    for outlet in settings.outlets:
        found.update(_of_source(environment.get(outlet.secret_env, ""), outlet.auth))
    for target in settings.notify.targets:
        found.update(_of_url(environment.get(target.url_env, "")))
    if settings.watch.dead_man:
        found.update(_of_url(environment.get(settings.watch.dead_man.url_env, "")))
    for name in (*_PROXIES, *map(str.lower, _PROXIES)):
        found.update(_password(environment.get(name, "")))
    found.update(_of_database(settings.database))
    return frozenset(one for one in found if len(one) >= SHORTEST)


def _of_source(secret: str, proof: str) -> Iterator[str]:
    yield secret
    if proof == "basic":
        yield secret.partition(":")[2]


def _of_url(url: str) -> Iterator[str]:
    """Yield the whole URL and what of it opens a door by itself: a password, a token as host, path or parameter."""
    yield url
    yield from _password(url)
    place, slash, path = url.partition("://")[2].partition("/")
    yield slash + path
    login, _, host = place.rpartition("@")
    token_as_host = "" if "." in host or host.startswith("localhost") else host
    for one in (login.partition(":")[0], token_as_host, *re.split(r"[/?&=]", path)):
        token = unquote(one)
        if len(token) >= _PASSPHRASE or not _WORD.fullmatch(token):
            yield token


def _password(url: str) -> Iterator[str]:
    """Yield the password before a URL's host, as written and as meant."""
    password = url.partition("://")[2].partition("/")[0].rpartition("@")[0].partition(":")[2]
    yield password
    yield unquote(password)


def _of_database(url: str) -> Iterator[str]:
    """Yield the password of a database's URL, as written and as meant; there it may hold a slash."""
    if url.startswith("sqlite"):
        return
    login, _, address = url.partition("://")[2].rpartition("@")
    user, _, password = login.partition(":")
    open_words = {user, *re.split(r"[:/?]", address)}
    query = dict(parse_qsl(urlsplit(url).query))
    for one in (password, unquote(password), query.get("password", ""), query.get("sslpassword", "")):
        if one not in open_words:
            yield one


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield encoded
        yield _ESCAPED.sub(lambda found: found[0].lower(), encoded)
    for offset in range(3):
        text = _base64(secret.encode("utf-8", "surrogateescape"), offset)
        yield text
        yield text.translate({ord("+"): "-", ord("/"): "_"})


def _base64(raw: bytes, offset: int) -> str:
    """Return what of the Base64 of a longer text depends on this part alone, when so many bytes stand before it."""
    whole = b64encode(b"\0" * offset + raw).decode().rstrip("=")
    uncertain = (len(raw) + offset) % 3 != 0  # the last character also holds bits of what follows
    return whole[(0, 2, 3)[offset] : len(whole) - uncertain]
