"""One tree of errors, told apart by what happens next.

*Transient*: try again later. *Permanent*: stop and tell a person. *Refused*: a guard of ours said no. Each has a short
code that stays the same over releases, so that a runbook can cite it. Vendor errors are translated at the border into
these, with the vendor's own code and request id kept; bodies are never attached, because they may hold secrets.
"""

from __future__ import annotations

from typing import ClassVar


class CloudhealError(Exception):
    """Something cloudheal was asked to do did not happen."""

    code: ClassVar[str] = "cloudheal.error"

    def __init__(self, message: str = "", *, what_to_do: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])
        self.what_to_do = what_to_do

    def __str__(self) -> str:
        text = f"{super().__str__()} [{self.code}]"
        return f"{text}\n  {self.what_to_do}" if self.what_to_do else text


class TransientError(CloudhealError):
    """It may work later; trying again is safe."""

    code = "transient"


class PermanentError(CloudhealError):
    """It will not work however often it is tried; a person must look."""

    code = "permanent"


class RefusedError(CloudhealError):
    """A guard said no; nothing was touched."""

    code = "refused"


class SettingsError(PermanentError):
    """A settings file cannot be used."""

    code = "settings.invalid"

    def __init__(
        self,
        message: str = "",
        *,
        what_to_do: str = "",
        field: tuple[int | str, ...] = (),
        fields: tuple[tuple[int | str, ...], ...] = (),
    ) -> None:
        """`field` is where in the file the mistake is, when whoever found it does not know the file's lines.

        `fields` are the places of several, one for each line of the message.
        """
        super().__init__(message, what_to_do=what_to_do)
        self.field = field
        self.fields = fields


class NotAnEventError(PermanentError):
    """A message does not hold an event of any documented form."""

    code = "event.unreadable"


class CloudTransientError(TransientError):
    """The cloud did not answer, throttled the call, or failed in a way that passes."""

    code = "cloud.transient"

    def __init__(
        self,
        message: str = "",
        *,
        vendor_code: str = "",
        request_id: str = "",
        what_to_do: str = "",
        refused: bool = False,
    ) -> None:
        """`refused`: the cloud answered that it did nothing; otherwise the call may have taken effect."""
        super().__init__(message, what_to_do=what_to_do)
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.refused = refused


class CloudPermanentError(PermanentError):
    """The cloud refused the call for a reason that waiting does not change."""

    code = "cloud.permanent"

    def __init__(self, message: str = "", *, vendor_code: str = "", request_id: str = "", what_to_do: str = "") -> None:
        super().__init__(message, what_to_do=what_to_do)
        self.vendor_code = vendor_code
        self.request_id = request_id
