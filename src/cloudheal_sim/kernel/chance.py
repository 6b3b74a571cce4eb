"""The one seeded generator: same seed, same scenario, same journal.

Each subject draws from a stream of its own, so that one more random fault does not change the ids of instances.
"""

from __future__ import annotations

import random

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Chance:
    """Named random streams, all derived from one seed."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """Return the stream of that name; the same name gives the same stream."""
        found = self._streams.get(name)
        if found is None:
            # Reproducible on purpose: nothing here guards a secret.
            found = self._streams[name] = random.Random(f"{self.seed}/{name}")
        return found

    def restart(self, seed: int) -> None:
        """Begin again from `seed`: every stream restarts."""
        self.seed = seed
        self._streams.clear()

    def token(self, length: int, stream: str = "ids") -> str:
        """Draw `length` lower-case letters and digits, as resource ids use them."""
        return "".join(self.stream(stream).choices(_ALPHABET, k=length))

    def uuid(self, stream: str = "requests") -> str:
        """Draw an upper-case UUID, the form of Alibaba Cloud's request ids."""
        digits = f"{self.stream(stream).getrandbits(128):032X}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{digits[16:20]}-{digits[20:]}"
