"""A drill's report as JUnit XML: a test case for each step, so that a build server shows which one was missed.

Steps that were only caused count as passed, steps not come to as skipped. A drill that broke off, or that left
something behind, has an error of its own, so that no build is green about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

from cloudheal.drills.outcome import DrillReport, Result, StepResult

_SEPARATOR = "; "


def junit_of(report: DrillReport, say: Callable[[str], str] = str) -> str:
    """Return the document; `say` puts the reason of a step into words."""
    cases = [_case(report, replace(one, why=say(one.why))) for one in report.steps]
    cases += [_error(report, name, text) for name, text in _errors(report)]
    counts = {
        "tests": len(cases),
        "failures": sum(one.find("failure") is not None for one in cases),
        "errors": sum(one.find("error") is not None for one in cases),
        "skipped": sum(one.find("skipped") is not None for one in cases),
    }
    told = {name: str(number) for name, number in counts.items()} | {"time": _seconds(report.ended - report.began)}
    root = ET.Element("testsuites", name="cloudheal drill", attrib=told)
    stamp = report.began.replace(tzinfo=None).isoformat(timespec="seconds")
    suite = ET.SubElement(root, "testsuite", name=report.scenario, timestamp=stamp, attrib=told)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report).items():
        ET.SubElement(properties, "property", name=name, value=_printable(value))
    suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(report: DrillReport, step: StepResult) -> ET.Element:
    name = f"{step.number:02} {step.title}"
    case = _element(report, name, step.latency)
    if step.result is Result.FAIL:
        failure = ET.SubElement(case, "failure", message=_printable(step.why), type="drill.step")
        missing = [f"missing for: {', '.join(step.missing)}"] if step.missing else []
        failure.text = _printable("\n".join([*missing, f"there was: {_SEPARATOR.join(step.seen) or 'nothing'}"]))
    elif step.result is Result.SKIPPED:
        ET.SubElement(case, "skipped", message=_printable(step.why))
    elif step.seen:
        ET.SubElement(case, "system-out").text = _printable(_SEPARATOR.join(step.seen))
    return case


def _errors(report: DrillReport) -> list[tuple[str, str]]:
    broken = [("the drill", report.problem)] if report.problem else []
    return broken + ([("nothing is left behind", _SEPARATOR.join(report.left))] if report.left else [])


def _error(report: DrillReport, name: str, text: str) -> ET.Element:
    case = _element(report, name, None)
    ET.SubElement(case, "error", message=_printable(text), type="drill.broken")
    return case


def _element(report: DrillReport, name: str, took: timedelta | None) -> ET.Element:
    return ET.Element(
        "testcase", classname=f"drill.{report.scenario}", name=_printable(name), time=_seconds(took or timedelta())
    )


def _properties(report: DrillReport) -> dict[str, str]:
    scope = report.scope
    return {
        "drill": report.drill,
        "account": scope.account,
        "region": scope.region,
        "servers": ", ".join(scope.servers),
        "rules": _SEPARATOR.join(scope.rules),
        "actions": "real" if scope.real else "dry",
    }


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.3f}"


def _printable(text: str) -> str:
    """Leave out what XML cannot hold: a name in a message must not be able to spoil the document."""
    return "".join(one if one in "\n\t" or one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
