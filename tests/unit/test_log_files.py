"""Files that are followed: every line once, whatever rotation, compression and crashes do to the files."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudheal.sources.log_file import LONGEST
from cloudheal.sources.log_names import live_names
from tests.unit.log_rig import PACKERS, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A followed log that nobody has written to."""
    one = Rig(tmp_path)
    yield one
    one.files.close()


def assert_each_once(rig: Rig) -> None:
    """Every line that was written was read, once."""
    read, written = Counter(rig.read), Counter(rig.written)
    assert (read - written, written - read) == (Counter(), Counter())


def test_lines_are_read_when_they_are_whole(rig: Rig) -> None:
    """Half a line waits for its other half."""
    rig.write(3)
    rig.append(b"half a")
    assert rig.follow() == rig.written
    rig.append(b" line\nand")
    assert rig.follow() == [b"half a line"]
    assert rig.follow() == []


def test_what_was_there_before_is_read_first(rig: Rig) -> None:
    """A log is read from its beginning when it is first seen, and only once."""
    rig.write(1000)
    assert rig.follow() == rig.written
    rig.commit()
    rig.crash()
    assert rig.follow() == []


def test_a_file_may_come_later(tmp_path: Path) -> None:
    """A log that is not there yet is read from its first line on."""
    rig = Rig(tmp_path)
    rig.live.unlink()
    assert rig.follow() == []
    assert rig.files.count() == 0
    rig.write(2)
    assert rig.follow() == rig.written
    assert rig.files.count() == 1


def test_a_renamed_file_is_read_on_beside_the_new_one(rig: Rig) -> None:
    """The writer goes on in the old file until it opens the new one; both are read."""
    rig.write(2)
    rig.follow()
    old = rig.rename()
    rig.write(2, to=old)
    rig.write(2)
    rig.follow()
    rig.write(1, to=old)
    rig.follow()
    assert rig.read == rig.written


def test_a_rotated_file_that_was_done_with_is_read_on_when_it_grows(rig: Rig) -> None:
    """A writer that noticed the rotation after minutes loses nothing."""
    rig.write(2)
    rig.follow()
    old = rig.rename()
    rig.follow(rounds=20)
    assert rig.files.count() == 1
    rig.write(2, to=old)
    rig.follow()
    assert_each_once(rig)


def test_a_truncated_file_is_read_on_in_its_copy(rig: Rig) -> None:
    """What was written between the last look and the copy is read from the copy, and the rest from the live file."""
    rig.write(3)
    rig.follow()
    rig.write(3)
    rig.copy_truncate()
    rig.write(1)
    rig.follow()
    assert_each_once(rig)


def test_a_truncated_file_that_grew_again_is_noticed(rig: Rig) -> None:
    """A file that is longer than before may still be another one."""
    rig.write(3)
    rig.follow()
    rig.write(1)
    rig.copy_truncate()
    rig.write(10)
    rig.follow()
    assert_each_once(rig)


@pytest.mark.parametrize("kind", ["rename", "copy_truncate"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_files_that_rotation_moves_into_another_folder_are_found_there(rig: Rig, kind: str, packed: str) -> None:
    """`olddir` of logrotate: while the file is read, while nobody reads, and several rotations later."""
    rig.move_aside("old")
    rig.write(20)
    rig.follow()
    rig.commit()
    for _ in range(3):
        rig.write(5)
        getattr(rig, kind)(packed=packed)
        rig.write(5)
        rig.follow()
        rig.commit()
        rig.write(5)
        getattr(rig, kind)(packed=packed)
        rig.crash()
    rig.follow()
    assert_each_once(rig)
    assert len([*rig.aside.iterdir()]) == 6


def test_what_is_not_a_rotated_file_of_the_log_is_not_read_from_the_other_folder(rig: Rig) -> None:
    """Other logs rotate into it too; and a folder that cannot be listed is told."""
    rig.move_aside("old")
    rig.write(2)
    (rig.aside / "error.log.1").write_bytes(b"of another log\n")
    (rig.aside / "access.log.2.bak").write_bytes(b"of nobody\n")
    rig.follow()
    assert_each_once(rig)
    rig.olddir = "none"
    rig.crash()
    rig.follow()
    assert [(Path(one.path).name, one.why) for one in rig.files.troubles()] == [("none", "ENOENT")]


def test_a_truncated_file_without_a_copy_begins_anew(rig: Rig) -> None:
    """Where somebody emptied the file, what follows is read."""
    rig.write(5)
    rig.follow()
    os.truncate(rig.live, 0)
    rig.write(1)
    assert rig.follow() == rig.written[5:]
    assert rig.follow(rounds=70) == []
    assert rig.files.count() == 1


def test_a_copy_under_way_is_not_read(rig: Rig) -> None:
    """The half of a copy that is there is a file that was read already."""
    rig.write(100)
    rig.follow()
    content = rig.live.read_bytes()
    copy = rig.folder / "access.log.1"
    for size in (0, 500, 1500, len(content)):
        copy.write_bytes(content[:size])
        assert rig.follow() == []
    rig.write(1)
    copy.write_bytes(rig.live.read_bytes())
    os.truncate(rig.live, 0)
    rig.write(1)
    rig.follow()
    assert_each_once(rig)


def test_a_copy_that_somebody_keeps_is_never_read(rig: Rig) -> None:
    """A backup of the log beside it has no new lines, however long the log goes on."""
    rig.write(50)
    rig.follow()
    shutil.copyfile(rig.live, rig.folder / "access.log.bak")
    rig.write(5)
    rig.follow()
    rig.rename()
    rig.write(5)
    rig.follow(rounds=30)
    rig.commit()
    rig.crash()
    rig.follow()
    assert_each_once(rig)


@pytest.mark.parametrize("ending", PACKERS)
def test_what_was_compressed_before_it_was_read_is_read_where_it_is(rig: Rig, ending: str) -> None:
    """A process that was away while its file was rotated and compressed goes on inside of the compressed one."""
    rig.write(200)
    rig.follow()
    rig.commit()
    rig.write(100)
    rig.pack(rig.rename(), ending)
    rig.write(3)
    rig.crash()
    rig.follow()
    assert_each_once(rig)
    rig.commit()
    rig.crash()
    assert rig.follow(rounds=30) == []


@pytest.mark.parametrize("kind", ["rename", "copy_truncate"])
def test_rotations_that_nobody_saw_are_made_up_for(rig: Rig, kind: str) -> None:
    """Files that came and went while the process was away are read, oldest first, compressed or not."""
    rig.write(20)
    rig.follow()
    rig.commit()
    for _ in range(4):
        rig.write(20)
        getattr(rig, kind)(packed=".gz")
    rig.write(5)
    rig.crash()
    rig.follow()
    assert_each_once(rig)
    rig.commit()
    rig.crash()
    assert rig.follow(rounds=30) == []


def test_older_files_beside_a_log_are_none_of_ours(tmp_path: Path) -> None:
    """What was rotated before the log was followed is not read, whatever is done to it later."""
    rig = Rig(tmp_path)
    rig.write(5)
    old = rig.rename()
    rig.written.clear()
    rig.write(5)
    rig.follow(rounds=3)
    rig.pack(old)
    rig.follow(rounds=3)
    rig.commit()
    rig.crash()
    rig.follow(rounds=3)
    assert_each_once(rig)


def test_a_pattern_of_rotated_files_reads_them_once(tmp_path: Path) -> None:
    """With `access.log*` the past is read as well, and a file that is compressed later is not read again."""
    rig = Rig(tmp_path, "access.log*")
    for _ in range(3):
        rig.write(10)
        rig.rename(packed=".gz")
    rig.write(10)
    rig.follow()
    assert_each_once(rig)
    rig.rename(packed=".gz")
    rig.write(10)
    rig.follow(rounds=20)
    rig.commit()
    rig.crash()
    rig.follow(rounds=20)
    assert_each_once(rig)


def test_a_folder_of_dated_files_is_read_whole(tmp_path: Path) -> None:
    """Files that are never renamed are logs of their own; compressed by a job at night they are not read again."""
    rig = Rig(tmp_path, "app-*.log", name="app-20260302.log")
    rig.write(5)
    rig.follow()
    rig.write(5, to=tmp_path / "app-20260303.log")
    rig.follow(rounds=20)
    rig.pack(rig.live)
    rig.follow(rounds=20)
    rig.commit()
    rig.crash()
    rig.follow(rounds=20)
    assert_each_once(rig)


def test_an_inode_that_was_given_to_another_file_is_not_taken_for_the_old_one(rig: Rig) -> None:
    """A file with a known inode and other content is a new file."""
    rig.write(10)
    rig.follow()
    places = rig.commit()
    rig.rename()
    rig.write(20)
    inode = rig.live.stat().st_ino
    rig.committed = (len(rig.read), [replace(one, inode=inode) for one in places])
    rig.crash()
    rig.follow()
    assert_each_once(rig)


def test_an_inode_of_a_file_that_was_done_with_is_not_taken_for_it(rig: Rig) -> None:
    """Systems give a freed inode to the next file at once; a short new log must not be taken for the old one's end."""
    rig.write(50)
    rig.follow()
    rig.rename()
    rig.follow(rounds=20)
    places = rig.commit()
    (rig.folder / "access.log.1").unlink()
    rig.write(3)
    inode = rig.live.stat().st_ino
    rig.committed = (len(rig.read), [replace(one, inode=inode) for one in places if one.finished])
    rig.crash()
    rig.follow()
    assert_each_once(rig)


def test_another_file_with_the_same_beginning_in_the_same_place_is_the_same_log(rig: Rig) -> None:
    """Tools that bring logs from elsewhere put a new file in the place of the old one; only what is new is read."""
    rig.write(50)
    rig.follow()
    rig.write(5)
    fresh = rig.folder / ".access.log.tmp"
    shutil.copyfile(rig.live, fresh)
    fresh.replace(rig.live)
    rig.follow()
    assert_each_once(rig)


def test_a_link_is_followed_to_where_its_file_is_rotated(tmp_path: Path) -> None:
    """A link in one folder and rotation in another: both belong to one log."""
    place = tmp_path / "pods"
    place.mkdir()
    rig = Rig(place, name="0.log")
    link = tmp_path / "web.log"
    link.symlink_to(rig.live)
    rig.patterns[:] = [str(tmp_path / "*.log")]
    rig.write(3)
    rig.follow()
    rig.rename()
    rig.write(3)
    rig.follow()
    assert_each_once(rig)


def test_a_line_that_is_too_long_is_cut_once_and_its_rest_passed_over(rig: Rig) -> None:
    """The rest of an oversize line is no line, also for a process that begins in the middle of it."""
    rig.append(b"x" * (3 << 20))
    got = rig.follow()
    assert [len(one) for one in got] == [LONGEST + 1]
    rig.commit()
    rig.crash()
    rig.append(b"x" * 1000 + b"\n")
    rig.write(2)
    assert rig.follow() == rig.written


def test_a_hole_of_zeros_is_passed_over(rig: Rig) -> None:
    """A writer that does not append leaves a hole when its file is truncated; its next line is a line."""
    with rig.live.open("wb") as file:
        file.write(b"first\n")
        file.flush()
        assert rig.follow() == [b"first"]
        os.truncate(rig.live, 0)
        file.write(b"second\n")
        file.flush()
        assert rig.follow() == [b"second"]


def test_the_end_of_a_rotated_file_is_a_line_without_its_line_break(rig: Rig) -> None:
    """A process that died in the middle of a line wrote what it wrote."""
    rig.append(b"whole\nhal")
    assert rig.follow() == [b"whole"]
    rig.rename()
    assert rig.follow() == []
    assert rig.follow(rounds=20) == [b"hal"]
    assert rig.follow(rounds=20) == []


def test_a_damaged_file_is_told_by_its_path(tmp_path: Path) -> None:
    """What cannot be read is named with a reason, and the rest goes on."""
    rig = Rig(tmp_path, "access.log*")
    rig.write(3)
    damaged = tmp_path / "access.log.2.gz"
    damaged.write_bytes(PACKERS[".gz"](b"line\n" * 9000)[:-20])
    rig.follow()
    (trouble,) = rig.files.troubles()
    assert trouble.path == str(damaged)
    assert set(rig.written) <= set(rig.read)


def test_a_pipe_and_a_folder_are_no_logs(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    rig = Rig(tmp_path, "*.log")
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    rig.write(1)
    assert rig.follow() == rig.written


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("access.log.1", "access.log"),
        ("access.log.12.gz", "access.log"),
        ("access.log-20260302", "access.log"),
        ("access.log-2026-03-02_11.xz", "access.log"),
        ("access-20260302.log", "access.log"),
        ("access-20260302.log.gz", "access.log"),
        ("access.log.old", "access.log"),
    ],
)
def test_names_of_rotated_files_are_known(name: str, live: str) -> None:
    """Whatever logrotate is told to call a file, it is looked at."""
    assert live in live_names(name)


@pytest.mark.parametrize("name", ["error.log", "access.log.json", "access-1.log", "access.logger", "access.log"])
def test_other_names_are_other_logs(name: str) -> None:
    """A log beside another one is not a rotated form of it."""
    assert "access.log" not in live_names(name)
