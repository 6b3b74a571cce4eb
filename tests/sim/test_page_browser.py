"""The page in a real browser: what a person can do with mouse and keyboard, in both languages."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.network import unchanged
from tests.sim.browser import Tab, chromium, running, tab
from tests.sim.signing import STS, HandSigned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.sim.simulator import RunningSimulator

BROWSER = chromium()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here; on Debian: apt-get install chromium")
HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


@pytest.fixture(scope="module")
def devtools() -> Iterator[str]:
    """One browser for all tests of the module; each gets a tab of its own."""
    with running(str(BROWSER)) as address:
        yield address


@pytest.fixture
async def browser(stepped: RunningSimulator, devtools: str) -> AsyncIterator[Tab]:
    """A tab before a world of forty instances, one of them with hostile names; it must not complain in the end."""
    stepped.world({"alibaba": {"instances": [_instance(n) for n in range(40)]}})
    with unchanged():
        async with tab(devtools) as opened:
            yield opened
            assert await opened.run("window.hacked") is None
            assert opened.complaints == []
            assert {address for address in opened.asked if not address.startswith(stepped.url)} <= {"about:blank"}


def _instance(number: int) -> dict[str, Any]:
    hostile = {"name": HOSTILE, "tags": {"<b>key</b>": HOSTILE}} if number == 1 else {}
    return {"id": f"i-bp1{number:06d}", "region": "cn-hangzhou", "name": f"web-{number}", **hostile}


def _click(selector: str, text: str = "") -> str:
    """Return the script that clicks the first element of that kind which shows the text."""
    return f"[...document.querySelectorAll({selector!r})].find((one) => one.textContent.includes({text!r})).click()"


@pytest.mark.parametrize(("language", "title"), [("en", "Instances"), ("zh", "实例")])
async def test_instances_are_shown_as_text(stepped: RunningSimulator, browser: Tab, language: str, title: str) -> None:
    """Forty rows appear, and a name that is markup is a name."""
    await browser.open(f"{stepped.url}/?lang={language}#instances")
    await browser.until("document.querySelectorAll('main tbody tr').length == 40")
    assert await browser.run("document.querySelector('h2').textContent") == title
    assert await browser.run("document.querySelector('tr[data-key=i-bp1000001] .under').textContent") == HOSTILE
    assert await browser.run("document.querySelectorAll('main img, main script').length") == 0
    assert await browser.run("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]


async def test_a_row_opens_by_keyboard_and_keeps_its_focus(stepped: RunningSimulator, browser: Tab) -> None:
    """Enter on a row's button shows the state history; the focus stays on it while the page goes on updating."""
    await browser.open(f"{stepped.url}/?lang=en#instances")
    await browser.until("document.querySelector('tr[data-key=i-bp1000003] .opener')")
    await browser.run("document.querySelector('tr[data-key=i-bp1000003] .opener').focus()")
    for kind in ("keyDown", "keyUp"):
        await browser.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")
    await browser.until("document.querySelector('ol.history')")
    stepped.chaos("power_off", "i-bp1000003")
    await browser.until("document.querySelector('ol.history').children.length > 1")
    assert await browser.run("document.activeElement.closest('tr').dataset.key") == "i-bp1000003"


async def test_chaos_hits_the_ticked_rows_only(stepped: RunningSimulator, browser: Tab) -> None:
    """A tick fills the form, the button does the deed, the row and the notice tell."""
    await browser.open(f"{stepped.url}/?lang=en#instances")
    await browser.until("document.querySelector('input[value=i-bp1000002]')")
    await browser.run("document.querySelector('input[value=i-bp1000002]').click()")
    await browser.run("document.querySelector('[name=deed]').value = 'hang'")
    await browser.run(_click("button.primary"))
    await browser.until("document.getElementById('notice').textContent.includes('hang · instances hit: 1')")
    await browser.until("document.querySelector('tr[data-key=i-bp1000002]').textContent.includes('hung')")
    assert await browser.run("document.body.innerText.split('hung').length") == 2


async def test_a_fault_is_added_and_removed_by_hand(stepped: RunningSimulator, browser: Tab) -> None:
    """The form adds a rule that then fires, its counters move, and a button takes it away."""
    await browser.open(f"{stepped.url}/?lang=zh#faults")
    await browser.until("document.querySelector('[name=action]')")
    await browser.run("document.querySelector('[name=action]').value = 'GetCaller*'")
    await browser.run("document.querySelector('[name=times]').value = '3'")
    await browser.run(_click("button.primary"))
    await browser.until("document.querySelector('tbody').textContent.includes('GetCaller*')")
    (rule,) = stepped.control("GET", "faults")["rules"]
    assert (rule["fault"]["kind"], rule["when"]["times"]) == ("throttle", 3)
    with HandSigned(stepped.address) as client:
        assert client.rpc(STS, "GetCallerIdentity").code == "Throttling.User"
    await browser.until("document.querySelectorAll('tbody .number')[1].textContent == '1'")
    await browser.run(_click("tbody button", "移除"))
    await browser.until("!document.querySelector('tbody .number')")
    assert stepped.control("GET", "faults")["rules"] == []


async def test_the_clock_is_moved_by_its_buttons(stepped: RunningSimulator, browser: Tab) -> None:
    """A button moves virtual time and the page shows the new time."""
    before = stepped.control("GET", "clock")["now_ms"]
    await browser.open(f"{stepped.url}/?lang=en")
    await browser.until("document.querySelector('.clock time')")
    shown = await browser.run("document.querySelector('.clock strong').textContent")
    await browser.run(_click(".steps button", "+5 min"))
    await browser.until(f"document.querySelector('.clock strong').textContent != {shown!r}")
    assert stepped.control("GET", "clock")["now_ms"] == before + 300_000


async def test_a_message_s_body_is_shown_as_text(stepped: RunningSimulator, browser: Tab) -> None:
    """A body that is markup in Base64 is decoded, shown as what it is, and still there for its receiver."""
    body = base64.b64encode(HOSTILE.encode()).decode()
    with HandSigned(stepped.address) as client:
        client.mns("PUT", "/queues/ops", "<Queue/>")
        client.mns("POST", "/queues/ops/messages", f"<Message><MessageBody>{body}</MessageBody></Message>")
        await browser.open(f"{stepped.url}/?lang=zh#queues")
        await browser.until("document.querySelector('[data-focus=choose]')")
        await browser.run("document.querySelector('[data-focus=choose]').click()")
        await browser.until("document.querySelector('section .opener')")
        await browser.run("document.querySelector('section .opener').click()")
        await browser.until("document.querySelector('.detail pre')")
        assert await browser.run("document.querySelector('.detail pre').textContent") == HOSTILE
        assert await browser.run("document.querySelector('td.body').textContent") == HOSTILE
        assert await browser.run("document.querySelectorAll('main img, main script').length") == 0
        assert body.encode() in client.mns("GET", "/queues/ops/messages").body


async def test_a_filter_narrows_at_once_and_stands_in_the_address(stepped: RunningSimulator, browser: Tab) -> None:
    """Typing narrows the table without a key for it; the address brings the same view back, its link clears it."""
    await browser.open(f"{stepped.url}/?lang=en#instances")
    await browser.until("document.querySelectorAll('main tbody tr').length == 40")
    await browser.run("document.querySelector('[name=q]').focus()")
    await browser.send("Input.insertText", text="web-7")
    await browser.until("document.querySelectorAll('main tbody tr').length == 1")
    assert await browser.run("location.hash") == "#instances?q=web-7"
    await browser.send("Page.reload")
    await browser.until("document.querySelectorAll('main tbody tr').length == 1")
    assert await browser.run("document.querySelector('[name=q]').value") == "web-7"
    await browser.run(_click("#nav a", "Instances"))
    await browser.until("document.querySelectorAll('main tbody tr').length == 40")
    assert await browser.run("document.querySelector('[name=q]').value") == ""


@pytest.mark.parametrize("view", ["instances", "queues", "events", "faults", "journal"])
async def test_every_control_has_a_name(stepped: RunningSimulator, browser: Tab, view: str) -> None:
    """Whoever cannot see the page is told what each button, field, link and table is, and one place is the content."""
    stepped.control("PUT", "faults", {"rules": [{"fault": "throttle"}]})
    await browser.open(f"{stepped.url}/?lang=zh#{view}")
    await browser.until("document.querySelector('main tbody tr')")
    nodes = [node for node in (await browser.send("Accessibility.getFullAXTree"))["nodes"] if not node["ignored"]]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    controls = {"button", "checkbox", "combobox", "link", "searchbox", "spinbutton", "table", "textbox"}
    assert {role for role, name in named if role in controls and not name.strip()} == set()
    assert {"button", "link", "table"} <= {role for role, _ in named}
    assert [role for role, _ in named].count("main") == 1
    assert {role for role, _ in named} >= {"banner", "heading", "navigation"}


async def test_a_refusal_is_told_in_the_simulator_s_words(stepped: RunningSimulator, browser: Tab) -> None:
    """Chaos for an id that is nobody's is refused and the notice says why."""
    await browser.open(f"{stepped.url}/?lang=en#instances")
    await browser.until("document.querySelector('[name=ids]')")
    await browser.run("document.querySelector('[name=ids]').value = 'i-nobody'")
    await browser.run(_click("button.primary"))
    await browser.until("document.getElementById('notice').textContent.includes('i-nobody')")
    assert await browser.run("document.getElementById('notice').getAttribute('role')") == "status"
    browser.complaints.clear()  # the browser itself notes every answer of 400


async def test_a_hidden_tab_asks_for_nothing(stepped: RunningSimulator, browser: Tab) -> None:
    """Polling goes on while the tab is seen, stops when it is hidden, and goes on when it is seen again."""
    await browser.send("Page.addScriptToEvaluateOnNewDocument", source=WATCHED_TIMERS)
    await browser.open(f"{stepped.url}/?lang=en#journal")
    await browser.until(f"{POLLS} > 2 && window.pending.size == 1")
    polls = await browser.run(f"{_hidden('true')}; {POLLS}")
    await browser.run("fetch('/ui/texts').then((answer) => answer.text())")  # whatever was under way is over
    assert await browser.run("window.pending.size") == 0
    assert await browser.run(POLLS) == polls
    await browser.run(_hidden("false"))
    await browser.until(f"{POLLS} > {polls} + 1")


#: How often the page has asked for its view.
POLLS = "performance.getEntriesByType('resource').filter((one) => one.name.includes('view=journal')).length"
#: Keeps the page's polling timers (those of one second) in sight.
WATCHED_TIMERS = """
window.pending = new Set();
const [set, clear] = [window.setTimeout, window.clearTimeout];
window.setTimeout = (work, delay) => {
    const id = set(() => { window.pending.delete(id); work(); }, delay);
    if (delay === 1000) window.pending.add(id);
    return id;
};
window.clearTimeout = (id) => { window.pending.delete(id); clear(id); };
"""


def _hidden(value: str) -> str:
    """Return the script that makes the tab believe that it is hidden, or seen."""
    return (
        f"Object.defineProperty(document, 'hidden', {{value: {value}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_text_is_legible_in_both_themes(stepped: RunningSimulator, browser: Tab, theme: str) -> None:
    """Every visible text contrasts with what is behind it by at least 4.5 to 1."""
    await browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    stepped.chaos("power_off", "i-bp1000000")
    stepped.chaos("hang", "i-bp1000002")
    await browser.open(f"{stepped.url}/?lang=en#instances?open=i-bp1000000")
    await browser.until("document.querySelector('ol.history')")
    assert await browser.run(CONTRAST) == []


CONTRAST = """(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const shine = (colour) => numbers(colour).slice(0, 3)
    .map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || node.disabled || node.tagName === 'OPTION' || node.tagName === 'NOSCRIPT') continue;
    const pair = [shine(getComputedStyle(node).color), shine(behind(node))].sort((a, b) => b - a);
    if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5) faint.push(`${node.tagName} ${node.className} ${node.textContent}`);
  }
  return faint;
})()"""
