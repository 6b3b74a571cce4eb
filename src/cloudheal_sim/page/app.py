"""Answers `/` and everything below `/ui/`: the shell, its static files, the texts of one language, the state as JSON.

Nothing from the world is ever put into markup: the shell holds texts of the catalogue only, everything else travels
as JSON and is written by the browser as text. The content security policy allows this server and nothing else.
"""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.wire import HttpReply
from cloudheal_sim.page.query import Query
from cloudheal_sim.page.texts import LANGUAGES, texts
from cloudheal_sim.page.views import VIEWS, head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.wire import HttpRequest
    from cloudheal_sim.simulator import Simulator

_FILES = files("cloudheal_sim.page")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_HTML, _JSON = "text/html; charset=utf-8", "application/json"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Page:
    """The page of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator
        self._shell = Template(_FILES.joinpath("shell.html").read_text(encoding="utf-8"))
        self._static = {
            f"/ui/static/{file.name}": (file.read_bytes(), _TYPES[file.name[file.name.rindex(".") :]])
            for file in _FILES.joinpath("static").iterdir()
        }

    def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request of a browser."""
        query = Query.of(request.query)
        match request.path:
            case "/":
                return self._start(query, request.header("accept-language"))
            case "/ui/texts":
                return _reply(json.dumps(texts(query.text("lang"))).encode(), _JSON)
            case "/ui/state":
                return self._state(query)
        if request.path in self._static:
            return _reply(*self._static[request.path])
        return _reply(b"not found\n", "text/plain; charset=utf-8", 404)

    def _start(self, query: Query, accepted: str) -> HttpReply:
        language = query.text("lang") if query.text("lang") in LANGUAGES else preferred(accepted)
        filled = {f"t_{key.replace('.', '_')}": escape(text) for key, text in texts(language).items()}
        others = {"lang": language, "html_lang": LANGUAGES[language], "other": "en" if language == "zh" else "zh"}
        return _reply(self._shell.substitute(filled, **others).encode(), _HTML, language=language)

    def _state(self, query: Query) -> HttpReply:
        view = VIEWS.get(query.text("view"))
        if view is None:
            return _document({"error": f"view: expected one of {', '.join(VIEWS)}"}, 400)
        self._sim.kernel.clock.catch_up()
        return _document({"head": head(self._sim), "view": view(self._sim, query)})


def preferred(accepted: str) -> str:
    """Choose between Chinese and English by an Accept-Language header; English when it names neither."""
    best, weight = "en", 0.0
    for part in accepted.lower().split(","):
        tag, _, quality = part.strip().partition(";q=")
        name = tag.partition("-")[0]
        try:
            asked = float(quality or 1)
        except ValueError:
            continue
        if name in LANGUAGES and asked > weight:
            best, weight = name, asked
    return best


def _document(document: Mapping[str, object], status: int = 200) -> HttpReply:
    # ASCII escapes: parameters that were not UTF-8 hold surrogates, which no UTF-8 can carry.
    return _reply(json.dumps(document, default=str, separators=(",", ":")).encode(), _JSON, status)


def _reply(body: bytes, content_type: str, status: int = 200, language: str = "") -> HttpReply:
    extra = {"Content-Language": language, "Vary": "Accept-Language"} if language else {}
    return HttpReply(status, body, {"Content-Type": content_type, **HEADERS, **extra})
