"""Folders of logs that belong to strangers: what they may put there, and what the follower makes of it."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from cloudheal.sources import log_opened
from cloudheal.sources.log_links import matching, real
from cloudheal.sources.log_opened import open_log
from tests.unit.log_rig import Rig

#: Whoever is called `nobody` on most systems.
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def _secret(folder: Path) -> Path:
    secret = folder / "secret"
    secret.write_bytes(b"root:x\n")
    return secret


def test_links_to_the_folder_above_keep_nobody_busy(tmp_path: Path) -> None:
    """Three links that lead back come to more paths than can be counted, if somebody goes into them."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    for name in ("x", "y", "z"):
        (place / name).symlink_to(tmp_path)
    rig = Rig(place)
    rig.patterns[:] = [str(tmp_path / "**" / "*.log")]
    rig.write(3)
    assert rig.follow() == rig.written


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.log", {"a.log", "d/b.log", "d/[e]/c.log"}),
        ("*/**/*.log", {"d/b.log", "d/[e]/c.log"}),
        ("**/d/**/c.log", {"d/[e]/c.log"}),
        ("d/**", {"d/b.log", "d/[e]/c.log", "d/[e]"}),
        ("d/*.log", {"d/b.log"}),
        ("**/none.log", set()),
        ("none.log", {"none.log"}),
    ],
)
def test_two_stars_are_folders_at_any_depth(tmp_path: Path, pattern: str, found: set[str]) -> None:
    """None of them hidden; names with brackets are names."""
    for name in ("a.log", "d/b.log", "d/[e]/c.log", ".h/d.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    matched = list(matching(str(tmp_path / pattern)))
    assert sorted(matched) == sorted(str(tmp_path / name) for name in found)


@as_root
@pytest.mark.parametrize("where", ["file", "folder", "chain"])
def test_a_link_of_a_stranger_leads_to_his_own_files_only(tmp_path: Path, where: str) -> None:
    """Whoever may write a link may not have read what only the follower may."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    rig = Rig(theirs, name="own.txt")
    secret = _secret(tmp_path)
    link = theirs / "access.log"
    link.symlink_to(secret if where != "folder" else tmp_path)
    os.lchown(link, NOBODY, NOBODY)
    pattern = theirs / "*.log"
    if where == "folder":
        pattern = theirs / "*.log" / "sec*"
    elif where == "chain":
        outer = tmp_path / "outer.log"
        outer.symlink_to(link)
        pattern = outer
    rig.patterns[:] = [str(pattern)]
    assert rig.follow() == []
    assert [one.why for one in rig.files.troubles()] == ["EPERM"]
    os.chown(secret, NOBODY, NOBODY)
    assert rig.follow() == [b"root:x"]
    assert rig.files.troubles() == ()


@pytest.mark.parametrize("rotated", [True, False])
def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path, *, rotated: bool) -> None:
    """Neither as what rotation made of a log, nor as the live file that it was a moment ago."""
    folder = tmp_path / "logs"
    folder.mkdir()
    rig = Rig(folder)
    rig.write(1)
    rig.follow()
    if rotated:
        link = rig.live.with_name("access.log.1")
    else:
        link = rig.live.rename(folder / "access.log.1").with_name("access.log")
        rig.patterns[:] = [str(folder / "nothing.log")]
    link.symlink_to(_secret(tmp_path))
    assert rig.follow(rounds=5) == []
    with pytest.raises(OSError, match="symbolic links"):
        open_log(str(link))


def test_a_name_that_is_no_text_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    """Under such a name nothing could be put on record, and no commit of the log would succeed again."""
    rig = Rig(tmp_path)
    rig.patterns[:] = [str(tmp_path / "*.log")]
    rig.live.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.log"))
    rig.write(2)
    assert rig.follow() == rig.written
    (trouble,) = rig.files.troubles()
    assert trouble.why == "EILSEQ"
    assert trouble.path.isprintable()
    assert all(one.stream.encode() for one in rig.commit())
    with pytest.raises(OSError, match="no text"):
        real("/\udcff")


def test_how_much_is_inside_is_not_found_out_at_any_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that holds very much is unpacked to a limit, and once."""
    monkeypatch.setattr(log_opened, "_MOST_UNPACKED", 1 << 20)
    path = tmp_path / "access.log.1.xz"
    path.write_bytes(lzma.compress(bytes(3 << 20)))
    opened = open_log(str(path))
    assert [opened.size() for _ in range(2)] == [1 << 20] * 2
    assert opened.read(10, 2 << 20) == bytes(10)
    opened.close()
