"""What every store asks of a transaction, also the one that could do without: else only AWS would notice."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.ports import Key, Put, Write

MAX_WRITES = 100


def key_of(write: Write) -> Key:
    return write.record.key if isinstance(write, Put) else write.key


def check_writes(writes: Sequence[Write]) -> None:
    """Raises: ValueError, a fault of the caller's: DynamoDB takes 1 to 100 writes, and no key twice."""
    if not 1 <= len(writes) <= MAX_WRITES:
        raise ValueError(f"a transaction of {len(writes)} writes")
    keys = [key_of(write) for write in writes]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"written twice in one transaction: {sorted(f'{key.partition}/{key.sort}' for key in twice)}")
