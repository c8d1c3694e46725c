"""Photos that belong together and stay on one side of a split: those of a site, of a camera, of a sequence."""

from collections.abc import Iterable

# The widest first: photos of one site are alike even where they are of two cameras.
GROUPS = ("group", "site", "camera", "sequence")


def group_column(names: Iterable[str]) -> str | None:
    """Which of these columns or attributes says the photo's group."""
    there = set(names)
    return next((name for name in GROUPS if name in there), None)


def group_note(column: str | None) -> tuple[str, ...]:
    return (f"photos of one {column} stay on one side of a split",) if column else ()
