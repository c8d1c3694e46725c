"""`make backup FILE=...` while the service runs, and `make restore FILE=...` into a home that is not there yet."""

from __future__ import annotations

import sys
from pathlib import Path

from chalicelib.adapters.embedded.backup import BackupError, back_up, restore
from chalicelib.config import SettingsError, from_environment
from chalicelib.domain.errors import BinsightError

USAGE = "usage: python -m chalicelib.keeping backup|restore <file.tar.gz>"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("backup", "restore") or not arguments[1]:
        print(USAGE, file=sys.stderr)
        return 2
    what, file = arguments[0], Path(arguments[1])
    try:
        home = from_environment().home
        count = back_up(home, file) if what == "backup" else restore(file, home)
    except (BackupError, SettingsError, BinsightError, OSError) as error:
        print(f"binsight: {what}: {error}", file=sys.stderr)
        return 1
    print(f"{count} files of {home} are in {file}" if what == "backup" else f"{count} files of {file} are in {home}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
