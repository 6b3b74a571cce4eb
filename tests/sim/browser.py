"""A real browser as the tests drive it: headless Chromium over its DevTools protocol, nothing in between.

Absent Chromium the tests that need it are skipped and say so; `CHROMIUM` in the environment names another binary.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    "about:blank",
)


def chromium() -> str | None:
    """Return the browser's path, None where there is none."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Tab:
    """One tab; everything that went wrong in it is collected in `complaints`, every address asked for in `asked`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []
        self.asked: list[str] = []

    async def listen(self) -> int:
        """Sort what the browser says until it hangs up; returns how much that was."""
        count = 0
        async for message in self._socket:
            said, count = message.json(), count + 1
            answer = self._answers.pop(said.get("id", 0), None)
            if answer is not None and not answer.done():
                answer.set_result(said)
            self._note(said.get("method", ""), said.get("params", {}))
        return count

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(told["entry"]["text"])

    async def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give one command and return its result."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said: dict[str, Any] = await asyncio.wait_for(self._answers[number], 30)
        assert "error" not in said, f"{method}: {said}"
        result: dict[str, Any] = said["result"]
        return result

    async def run(self, script: str) -> Any:
        """Evaluate an expression in the page and return its value."""
        told = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Wait until an expression is true in the page, looked at on every frame; returns its value."""
        script = f"""new Promise((done, fail) => {{
            const late = setTimeout(() => fail(new Error(document.body.innerText)), 20000);
            const look = () => {{
                const value = {condition};
                if (value) {{ clearTimeout(late); done(value); }} else setTimeout(look, 30);
            }};
            look();
        }})"""
        return await self.run(script)

    async def open(self, url: str) -> Any:
        """Go to an address and wait until the document is complete."""
        await self.send("Page.navigate", url=url)
        return await self.until(
            f"location.href.startsWith({url.partition('#')[0]!r}) && document.readyState == 'complete'"
        )

    async def screenshot(self) -> bytes:
        """Return the window as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot"))["data"])


@contextmanager
def running(binary: str) -> Iterator[str]:
    """Start a browser with an empty profile; gives the address of its DevTools."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [binary, f"--user-data-dir={profile}", *FLAGS]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                lines = iter(process.stderr.readline, "")
                line = next((one for one in lines if one.startswith("DevTools listening on ")), "")
                assert line, f"the browser ended with {process.wait()}"
                yield f"http://{line.split('://')[1].partition('/')[0]}"
            finally:
                process.terminate()
                process.communicate()


@asynccontextmanager
async def tab(devtools: str) -> AsyncIterator[Tab]:
    """Open a new tab, and close it in the end."""
    async with aiohttp.ClientSession(devtools) as session, session.put("/json/new?about:blank") as answer:
        page = await answer.json()
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            opened = Tab(socket)
            listening = asyncio.create_task(opened.listen())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await opened.send(f"{domain}.enable")
            yield opened
            listening.cancel()
        await session.get(f"/json/close/{page['id']}")
