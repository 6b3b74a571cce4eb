"""What people are asked: one question for a run, or one for all runs that a storm in a group holds back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.model.control import Approval
from cloudheal.model.decision import Reason
from cloudheal.model.incident import Trouble
from cloudheal.model.resource import ResourceId, place_of

#: How long a person has to answer before people are told again.
ASK_EXPIRES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The run that a person is asked about."""

    run: str
    rule: str
    playbook: str
    subject: ResourceId
    trouble: Trouble
    group: str
    approvers: tuple[str, ...] = ()
    """Who may answer; empty: whoever can run the commands."""


def question_of(about: Asked, code: str, id_: str, now: datetime, said: str = "") -> tuple[Approval, str]:
    """Return a question and its scope: questions of one scope are asked once, and the answer is for all of them.

    `said` is the question in the playbook's own words.
    """
    if code == Reason.STORM:
        text = f"{about.playbook} on everything in {about.group} that a storm holds back ({about.trouble})?"
        scope = f"{Reason.STORM}|{about.rule}|{place_of(about.subject, about.group)}|{about.trouble}"
        return _question(about, text, id_, now), scope
    text = said or f"{about.playbook} on {about.subject.id} ({about.trouble})? held back by {code}"
    return _question(about, text, id_, now), ""


def _question(about: Asked, text: str, id_: str, now: datetime) -> Approval:
    return Approval(id_, about.run, text, now, now + ASK_EXPIRES, may_answer=about.approvers)
