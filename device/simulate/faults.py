"""What can be wrong with a simulated camera, and which share of a fleet has it."""

from __future__ import annotations

import random
from typing import Dict, List, Mapping, Optional

OFFLINE = "offline"
SLOW = "slow"
LYING = "lying"
CORRUPT = "corrupt"
CRASHING = "crashing"
BOGUS_CLOCK = "clock"
REPLAYING = "replaying"
REORDERING = "reordering"
WORSE = "worse"
REVOKED = "revoked"
FAULTS = (OFFLINE, SLOW, LYING, CORRUPT, CRASHING, BOGUS_CLOCK, REPLAYING, REORDERING, WORSE, REVOKED)


def parsed(text: str) -> Dict[str, float]:
    """`lying=0.05,slow=0.1`. Raises: ValueError naming what is wrong."""
    shares = {}
    for part in filter(None, text.split(",")):
        name, _, share = part.partition("=")
        if name not in FAULTS:
            raise ValueError("%r is none of %s" % (name, ", ".join(FAULTS)))
        shares[name] = float(share)
    if sum(shares.values()) > 1:
        raise ValueError("the shares of all faults together are over 1")
    return shares


def dealt(cameras: int, shares: Mapping[str, float], draw: random.Random) -> List[Optional[str]]:
    """A fault or None for each camera: exactly the shares, rounded down, in an order of chance."""
    faults: List[Optional[str]] = []
    for name, share in shares.items():
        faults += [name] * int(cameras * share)
    faults += [None] * (cameras - len(faults))
    draw.shuffle(faults)
    return faults
