"""Who serves in a group, and what is lacking: pure questions about what was read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudheal.ports.cloud import Group, Health, Member, Place
from cloudheal.verify.membership import is_last_healthy, is_member, lacking, receives

PLACE = Place("lb-1", "rsp-1")
MEMBERS = st.builds(
    Member,
    server=st.sampled_from("abc"),
    port=st.integers(1, 3),
    weight=st.sampled_from([0, 50, 100]),
    health=st.sampled_from(Health),
)


def group(*members: Member) -> Group:
    """Return a group of these."""
    return Group(PLACE, members)


def test_alone_is_last() -> None:
    """Nobody else is there."""
    assert is_last_healthy(group(Member("a", 80, 100)), "a")


def test_a_drained_or_failing_peer_serves_nobody() -> None:
    """Weight 0 and a failed check are as good as absent."""
    mine = Member("a", 80, 100, health=Health.NORMAL)
    assert is_last_healthy(group(mine, Member("b", 80, 0, health=Health.NORMAL)), "a")
    assert is_last_healthy(group(mine, Member("b", 80, 50, health=Health.ABNORMAL)), "a")
    assert is_last_healthy(group(mine, Member("b", 80, 50, health=Health.UNAVAILABLE)), "a")
    assert not is_last_healthy(group(mine, Member("b", 80, 50, health=Health.NORMAL)), "a")


def test_without_checks_weight_alone_counts() -> None:
    """Where nothing is checked every member with a weight serves."""
    assert not is_last_healthy(group(Member("a", 80, 100), Member("b", 80, 1)), "a")


def test_a_server_that_does_not_serve_is_not_the_last() -> None:
    """Who is drained or failing already takes nothing away by leaving."""
    assert not is_last_healthy(group(Member("a", 80, 0)), "a")
    failing = Member("a", 80, 100, health=Health.ABNORMAL)
    assert not is_last_healthy(group(failing, Member("b", 80, 0, health=Health.NORMAL)), "a")


@given(st.lists(MEMBERS, max_size=8))
def test_at_most_one_server_is_the_last_and_it_receives(members: list[Member]) -> None:
    """Two servers cannot both be the only one, and whoever is the last one has a weight."""
    last = [one for one in "abc" if is_last_healthy(group(*members), one)]
    assert len(last) <= 1
    assert all(receives(members, one) and is_member(members, one) for one in last)


@given(st.lists(MEMBERS, max_size=8), st.lists(MEMBERS, max_size=4))
def test_what_is_lacking_is_wanted_and_not_there(members: list[Member], wanted: list[Member]) -> None:
    """Port and weight count, description and health do not; nothing is lacking of what is there."""
    missing = lacking(wanted, members)
    assert set(missing) <= set(wanted)
    assert lacking(wanted, [*members, *missing]) == ()
    assert lacking(members, members) == ()
