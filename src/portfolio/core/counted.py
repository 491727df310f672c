"""Numbers of things in messages: "1 row", "2 rows"."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun. `plural` is given where it is not the noun with an s: counted(2, "batch", "batches")."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
