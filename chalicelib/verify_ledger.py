"""`make verify-ledger`: whether every entry of the ledger follows from the one before."""

from __future__ import annotations

import sys

from chalicelib.bootstrap import make_services
from chalicelib.config import SettingsError, from_environment
from chalicelib.domain.errors import BinsightError


def main() -> int:
    try:
        settings = from_environment()
        if settings.is_embedded and not (settings.home / "state.sqlite").exists():
            print(f"binsight: there is no home in {settings.home}; set BINSIGHT_HOME.", file=sys.stderr)
            return 2
        ledger = make_services(settings).ledger
        fault, entries = ledger.first_fault(), ledger.head().number
    except (SettingsError, BinsightError, OSError) as error:
        print(f"binsight: the ledger cannot be read: {error}", file=sys.stderr)
        return 2
    print(fault or f"The ledger is whole: {entries} entries, each with the hash of the one before.")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
