"""`make admin-key`: a new admin key for the embedded home, for the one who lost theirs."""

from __future__ import annotations

import sys

from chalicelib.bootstrap import make_services
from chalicelib.config import SettingsError, from_environment
from chalicelib.domain.access import Scope
from chalicelib.domain.errors import BinsightError


def main() -> int:
    try:
        settings = from_environment()
        _, token = make_services(settings).access.create("make admin-key", frozenset({Scope.ADMIN}), "set-up")
    except (SettingsError, BinsightError, OSError) as error:
        print(f"binsight: no key was made: {error}", file=sys.stderr)
        return 1
    print(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
