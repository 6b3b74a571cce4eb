"""Counting an access log: lines a second of one core, beside every other way to do the same work.

The log is of CloudMonitor's sample format: 200 bytes a line, 5,000 lines a second, 1,000 URLs each with a session in
the query. The work: by minute and URL without its query, how many lines, the sum of the response times, and their exact
50th, 90th and 99th percentile. Each way is a process of its own, so that its memory and its seconds of CPU are its own;
what they come to is compared before any time is printed. DuckDB (`pip install duckdb`), mtail and goaccess (Debian's
packages) are used where they are installed; the latter two have no percentiles, so of them the counts by URL are
compared. `wc -l` is how fast bytes can be looked at.

The quick ones take turns, several times, and the best of each counts: who is interrupted is not slow. The time of the
same way over a log of one line is taken off, which is what it costs to import and to start.

Run: make bench, or python benchmarks/logs.py [LINES]; `parts [LINES]` shows what each stage of the engine costs;
`follow [LINES_A_SECOND [SECONDS]]` has mtail and cloudheal follow one growing file.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.figures import met, shown, spending
from bench.tailing import GOAL, PROGRAM, follow

LINES = 1_000_000
#: Lines a second to be followed: what is to take a twentieth of a core at most; mtail, too, keeps up with that on one.
RATE = 50_000
#: What is fed at once: what stays in the cache; but the fallback pays for each group of each block.
BLOCKS = {"native": 256 << 10, "fallback": 8 << 20}
FOREVER = 1 << 40
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"
PATTERN = (
    r"^([^ ]*) - ([^ ]*) \[([^\]]*)\] \"([^ \"]*) ([^ \"?]*)(?:\?[^ \"]*)? ([^\"]*)\" ([0-9.]+) (\d+) (\d+) (\d+) "
    r"\"([^\"]*)\" \"([^\"]*)\"$"
)
#: What a way came to: by start of the minute and URL: lines, sum in milliseconds, three percentiles.
Rows = dict[tuple[int, str], tuple[int, int, int, int, int]]


def written(path: Path, lines: int) -> None:
    """Write the log."""
    chance = random.Random(6)
    paths = [f"/shop/{chr(97 + number % 26)}{number:03}/item" for number in range(1000)]
    tooks = [f"{min(chance.lognormvariate(-3, 1.2), 60):.3f}" for _ in range(5000)]
    with path.open("w", encoding="ascii") as file:
        for number in range(lines):
            minute, rest = divmod(number, 300_000)
            hour, minute = divmod(minute, 60)
            file.write(
                f"10.{number % 251}.{number % 241}.{number % 199} - - [10/Jul/2015:{hour % 24:02}:{minute:02}:"
                f'{rest // 5_000:02} +0000] "GET {chance.choice(paths)}?session={number:08} HTTP/1.1" '
                f"{chance.choice(tooks)} {300 + number % 400} {200 if number % 9 else 404} {number % 50_000} "
                f'"https://www.example.com/start" "{AGENT}"\n'
            )


def engine(name: str, path: Path) -> Rows:
    """Count with one of our engines."""
    from cloudheal.logs import engines  # noqa: PLC0415 - each way imports its own things, in its own process
    from cloudheal.logs.definition import Definition, Function, Measure, Metric, Urls  # noqa: PLC0415
    from cloudheal.logs.formats import preset  # noqa: PLC0415

    chosen = engines.pick() if name == "native" else engines.fallback()
    if chosen.name != name:
        raise SystemExit(f"{name}: not compiled here")
    percents = Measure("p", Function.PERCENTILE, "request_time", (50.0, 90.0, 99.0))
    metric = Metric("m", by=("url",), measures=(percents,))
    counter = chosen.counter(Definition("site", (), preset("timed"), (metric,), Urls("url")))
    rows: Rows = {}
    descriptor, at = os.open(path, os.O_RDONLY), 0
    while block := os.pread(descriptor, BLOCKS[name], at):  # as the follower reads
        end = block.rfind(b"\n") + 1
        at += end
        newest = counter.feed(block[:end]).newest
        _handed(counter.close(newest - newest % 60), rows)
    os.close(descriptor)
    _handed(counter.close(FOREVER), rows)
    return rows


def _handed(minutes: object, rows: Rows) -> None:
    for minute in minutes:  # type: ignore[attr-defined]
        for row in minute.rows:
            values = row.values["request_time"]
            exact = (values.exact[50.0], values.exact[90.0], values.exact[99.0])
            rows[minute.start, row.key[0]] = (row.count, values.total, *exact)


def python_re(path: Path) -> Rows:
    """Count as a careful script does: one regular expression, a dictionary of lists, the minute's text remembered."""
    import re  # noqa: PLC0415
    from calendar import timegm  # noqa: PLC0415

    match = re.compile(PATTERN.encode()).match
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    with path.open("rb") as file:
        for line in file:
            found = match(line)
            if found:
                key = (found[3][:17], found[5])
                values = groups.get(key)
                if values is None:
                    values = groups[key] = []
                values.append(int(found[7].replace(b".", b"")))
    starts = {stamp: timegm(time.strptime(stamp.decode(), "%d/%b/%Y:%H:%M")) for stamp, _ in groups}
    rows: Rows = {}
    for (stamp, url), values in groups.items():
        values.sort()
        ranks = [values[-(-len(values) * percent // 100) - 1] for percent in (50, 90, 99)]
        rows[starts[stamp], url.decode()] = (len(values), sum(values), ranks[0], ranks[1], ranks[2])
    return rows


def polars(path: Path) -> Rows:
    """Count with polars: the same regular expression over whole columns, with one thread."""
    import polars as pl  # noqa: PLC0415

    lines = pl.scan_csv(path, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
    part = pl.col("line").str.extract_groups(PATTERN)
    frame = lines.select(
        part.struct.field("3").str.slice(0, 17).alias("stamp"),
        part.struct.field("5").alias("url"),
        (part.struct.field("7").cast(pl.Float64) * 1000).round().cast(pl.Int64).alias("took"),
    ).filter(pl.col("stamp").is_not_null())
    took = pl.col("took")
    ranks = [took.sort().get(((pl.len() * percent + 99) // 100 - 1).cast(pl.Int64)) for percent in (50, 90, 99)]
    named = [one.alias(f"p{number}") for number, one in enumerate(ranks)]
    found = frame.group_by("stamp", "url").agg(pl.len().alias("n"), took.sum().alias("sum"), *named)
    stamp = pl.col("stamp").str.to_datetime("%d/%b/%Y:%H:%M").dt.epoch("s")
    ready = found.with_columns(stamp.alias("start")).collect()
    return {(r["start"], r["url"]): (r["n"], r["sum"], r["p0"], r["p1"], r["p2"]) for r in ready.iter_rows(named=True)}


def duckdb(path: Path) -> Rows:
    """Count with DuckDB: the same regular expression in SQL, with one thread."""
    import duckdb as duck  # noqa: PLC0415

    connection = duck.connect()
    connection.execute("SET threads = 1")
    names = "['c1','c2','stamp','c4','url','c6','took','c8','c9','c10','c11','c12']"
    found = connection.execute(
        f"""
        WITH parts AS (SELECT regexp_extract(line, ?, {names}) AS p
                       FROM read_csv(?, columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', header = false)),
        rows AS (SELECT left(p.stamp, 17) AS stamp, p.url AS url,
                        CAST(round(CAST(p.took AS DOUBLE) * 1000) AS BIGINT) AS took FROM parts WHERE p.url <> '')
        SELECT epoch(strptime(stamp, '%d/%b/%Y:%H:%M'))::BIGINT, url, count(*), sum(took)::BIGINT,
               quantile_disc(took, [0.5, 0.9, 0.99]) FROM rows GROUP BY stamp, url
        """,
        [PATTERN, str(path)],
    ).fetchall()
    return {(start, url): (count, total, *ranks) for start, url, count, total, ranks in found}


def mtail(path: Path) -> Rows:
    """Count with mtail from Debian: lines and seconds by URL, over all minutes."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "site.mtail"
        program.write_text(PROGRAM, encoding="ascii")
        command = [
            "mtail",
            "--one_shot",
            "--one_shot_format=json",
            "--logs",
            str(path),
            "--progs",
            folder,
            "--log_dir",
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"GOMAXPROCS": "1"})
    found, _ = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("[") :])
    (lines,) = [one for one in found if one["Name"] == "lines"]
    return {(0, one["Labels"][0]): (one["Value"]["Value"], 0, 0, 0, 0) for one in lines["LabelValues"]}


def goaccess(path: Path) -> Rows:
    """Count with goaccess from Debian: hits by URL, over all minutes, among the panels that it always makes."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        form = '%h - %^ [%d:%t %^] "%r" %T %^ %s %b "%R" "%u"'
        command = ["goaccess", str(path), "--log-format", form, "--date-format=%d/%b/%Y", "--time-format=%H:%M:%S"]
        command += ["-o", str(report), "--no-query-string", "--max-items=2000", "--no-progress", "--no-global-config"]
        subprocess.run(command, capture_output=True, check=True)
        found = json.loads(report.read_text(encoding="utf-8"))
    hits: dict[str, int] = {}
    for panel in ("requests", "not_found"):
        for one in found[panel]["data"]:
            hits[one["data"]] = hits.get(one["data"], 0) + one["hits"]["count"]
    return {(0, url): (count, 0, 0, 0, 0) for url, count in hits.items()}


def wc(path: Path) -> Rows:
    """Count lines and nothing else."""
    subprocess.run(["wc", "-l", str(path)], check=True, capture_output=True)
    return {}


WAYS: Mapping[str, Callable[[Path], Rows]] = {
    "native": lambda path: engine("native", path),
    "fallback": lambda path: engine("fallback", path),
    "python re": python_re,
    "polars": polars,
    "duckdb": duckdb,
    "mtail": mtail,
    "goaccess": goaccess,
    "wc -l": wc,
}
PARTIAL = ("mtail", "goaccess")
PROGRAMS = (*PARTIAL, "wc -l")
#: How often each way is gone; those that are not here, once.
TURNS = {"native": 6, "wc -l": 6, "python re": 3, "polars": 3}


def used(name: str) -> float:
    """Return the seconds of CPU that a way has used so far, in this process or in the programs that it ran."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN if name in PROGRAMS else resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def child(name: str, path: Path, first: Path) -> None:
    """Go one way, in a process of its own, first over one line; and say what it came to and what it took."""
    began = used(name)
    WAYS[name](first)
    started = used(name)
    rows = WAYS[name](path)
    ended = used(name)
    starting = started - began if name in PARTIAL else 0.0  # programs start anew
    whose = resource.RUSAGE_CHILDREN if name in PROGRAMS else resource.RUSAGE_SELF
    whole = sorted(rows.items())
    by_url: dict[str, int] = {}
    for (_, url), (count, *_) in whole:
        by_url[url] = by_url.get(url, 0) + count
    print(
        json.dumps(
            {
                "rows": hashlib.sha256(repr(whole).encode()).hexdigest(),
                "urls": hashlib.sha256(repr(sorted(by_url.items())).encode()).hexdigest(),
                "lines": sum(by_url.values()),
                "cpu": ended - started - starting,
                "peak": resource.getrusage(whose).ru_maxrss / 1024,
            }
        )
    )


def gone(name: str, path: Path, first: Path) -> dict[str, float | str] | None:
    """Go one way; None where it cannot be gone here."""
    command = [sys.executable, __file__, "way", name, str(path), str(first)]
    threads = {"POLARS_MAX_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | threads)
    if done.returncode:
        print(f"{name}: not run here: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return dict(json.loads(done.stdout))


def missing(name: str) -> bool:
    """Whether a way needs a program that is not installed."""
    return name in PARTIAL and shutil.which(name) is None


def all_gone(path: Path, first: Path) -> dict[str, list[dict[str, float | str]]]:
    """Go every way as often as its turn comes; returns what each came to, each time."""
    found: dict[str, list[dict[str, float | str]]] = {}
    for turn in range(max(TURNS.values())):
        for name in WAYS:
            is_due = turn < TURNS.get(name, 1) and (turn == 0 or name in found) and not missing(name)
            if is_due and (one := gone(name, path, first)):
                found.setdefault(name, []).append(one)
    return found


def main(lines: int) -> None:
    """Go every way, compare, then print."""
    for name in filter(missing, WAYS):
        print(f"{name}: not installed here")
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        path, first = Path(folder) / "access.log", Path(folder) / "one.log"
        written(path, lines)
        written(first, 1)
        size = path.stat().st_size
        wc(path)  # so that the file is in memory
        found = all_gone(path, first)
    (truth, *_) = found["python re"]
    for name, turns in found.items():
        what = "urls" if name in PARTIAL else "rows"
        if name != "wc -l" and any(one[what] != truth[what] for one in turns):
            raise SystemExit(f"{name} came to something else than python re")
    print(f"{lines:,} lines of {size // lines} bytes; all came to the same ({', '.join(found)})")
    cpu = {name: max(min(float(one["cpu"]) for one in turns), 1e-3) for name, turns in found.items()}
    for name, turns in found.items():
        peak = max(float(one["peak"]) for one in turns)
        shown(
            f"{name}, best of {len(turns)}: lines a second of CPU (most MiB held)",
            f"{lines / cpu[name]:,.0f} ({peak:.0f})",
        )
    compared(cpu)


def named(name: str) -> str:
    """Return what a way is called where it could be taken for another."""
    return "mtail reading once" if name == "mtail" else name


def compared(cpu: Mapping[str, float]) -> None:
    """Print our engine's lead over the others."""
    if "native" not in cpu:
        return
    for name, goal in (("python re", 12.0), ("polars", 5.0), ("duckdb", 0.0), ("mtail", GOAL), ("goaccess", 0.0)):
        if name in cpu:
            lead = cpu[name] / cpu["native"]
            shown(
                f"native, as a multiple of {named(name)}",
                f"{lead:.1f}",
                f"{goal:g}: {met(lead >= goal)}" if goal else "",
            )
    share = cpu["wc -l"] / cpu["native"]
    shown("native, as a share of wc -l", f"{share:.1%}", f"15 %: {met(share >= 0.15)}")
    shown("fallback, as a multiple of python re", f"{cpu['python re'] / cpu['fallback']:.1f}")


def followed(rate: int, seconds: float) -> None:
    """Follow a file beside mtail, where that is installed."""
    if missing("mtail"):
        print("mtail: not installed here, so that nothing is followed beside it")
        return
    follow(rate, seconds)


def parts(lines: int) -> None:
    """Print what the stages of the compiled engine cost, by asking it for more and more; the best of three each."""
    from cloudheal.logs.definition import Definition, Function, Measure, Metric, Urls  # noqa: PLC0415
    from cloudheal.logs.formats import preset  # noqa: PLC0415
    from cloudheal.logs.native import NativeEngine  # noqa: PLC0415

    percents = Measure("p", Function.PERCENTILE, "request_time", (50.0, 90.0, 99.0))
    asked: dict[str, tuple[Metric, ...]] = {
        "taken apart, with its time": (),
        "and counted": (Metric("m"),),
        "and grouped by status": (Metric("m", by=("status",)),),
        "and grouped by URL": (Metric("m", by=("url",)),),
        "and with percentiles by URL": (Metric("m", by=("url",), measures=(percents,)),),
    }
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        path = Path(folder) / "access.log"
        written(path, lines)
        whole = path.read_bytes().splitlines(keepends=True)
    blocks = [b"".join(whole[at : at + 1280]) for at in range(0, lines, 1280)]
    for what, metrics in asked.items():
        took, closed = [], []
        for _ in range(3):
            counter = NativeEngine().counter(Definition("site", (), preset("timed"), metrics, Urls("url")))
            with spending() as feeding:
                for block in blocks:
                    counter.feed(block)
            with spending() as closing:
                rows = sum(len(minute.rows) for minute in counter.close(FOREVER))
            took.append(feeding.cpu / lines * 1e9)
            closed.append(closing.cpu / max(rows, 1) * 1e6)
        shown(f"a line {what}, ns (a row handed out, us)", f"{min(took):.0f} ({min(closed):.0f})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["way"]:
        child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1:2] == ["parts"]:
        parts(int(sys.argv[2]) if len(sys.argv) > 2 else 600_000)
    elif sys.argv[1:2] == ["follow"]:
        followed(int(sys.argv[2]) if len(sys.argv) > 2 else RATE, float(sys.argv[3]) if len(sys.argv) > 3 else 20.0)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES)
        followed(RATE, 20.0)
