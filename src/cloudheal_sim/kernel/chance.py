"""The one seeded generator: same seed, same scenario, same journal.

Each subject draws from a stream of its own, so that one more random fault does not change the ids of instances. A
stream is its seed, its name and how often it was drawn from, and nothing else: three facts that a world document can
hold, so that a world put back draws on where it stopped and never hands out an id twice.
"""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Streams that no part of a world depends on: the ids of answers, and which calls a fault happens to.
_NOT_OF_THE_WORLD = frozenset({"requests", "faults"})
_BLOCK_BITS = 512
#: The precision of a float between 0 and 1.
_FLOAT_BITS = 53


class Stream(random.Random):
    """One generator whose whole state is the number of draws; `gauss` keeps more and is not to be used."""

    def __init__(self, key: str) -> None:
        self._key = blake2b(key.encode()).digest()
        self.drawn = 0
        super().__init__(0)

    def getrandbits(self, k: int, /) -> int:
        """Draw `k` bits."""
        bits, have = 0, 0
        while have < k:
            self.drawn += 1
            block = blake2b(self.drawn.to_bytes(8), key=self._key).digest()
            bits, have = bits << _BLOCK_BITS | int.from_bytes(block), have + _BLOCK_BITS
        return bits >> (have - k)

    def random(self) -> float:
        """Draw a number from 0 up to but not including 1."""
        return self.getrandbits(_FLOAT_BITS) / (1 << _FLOAT_BITS)


class Chance:
    """Named random streams, all derived from one seed."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream of that name; the same name gives the same stream."""
        found = self._streams.get(name)
        if found is None:
            # Reproducible on purpose: nothing here guards a secret.
            found = self._streams[name] = Stream(f"{self.seed}/{name}")
        return found

    def drawn(self) -> dict[str, int]:
        """Return how often each stream that makes things of the world was drawn from."""
        streams = sorted(self._streams.items())
        return {name: stream.drawn for name, stream in streams if stream.drawn and name not in _NOT_OF_THE_WORLD}

    def restart(self, seed: int, drawn: Mapping[str, int] | None = None) -> None:
        """Begin again from `seed`: every stream restarts, those in `drawn` after so many draws."""
        self.seed = seed
        self._streams.clear()
        for name, times in (drawn or {}).items():
            self.stream(name).drawn = times

    def token(self, length: int, stream: str = "ids") -> str:
        """Draw `length` lower-case letters and digits, as resource ids use them."""
        number = self.stream(stream).randrange(len(_ALPHABET) ** length)
        letters = []
        for _ in range(length):
            number, digit = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[digit])
        return "".join(letters)

    def uuid(self, stream: str = "requests") -> str:
        """Draw an upper-case UUID, the form of Alibaba Cloud's request ids."""
        digits = f"{self.stream(stream).getrandbits(128):032X}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{digits[16:20]}-{digits[20:]}"
