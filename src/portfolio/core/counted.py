"""Numbers in messages: how many there are of something ("1 row", "2 rows"), and values of the data."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun. `plural` is given where it is not the noun with an s: counted(2, "batch", "batches")."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def readable(value: float) -> str:
    """A value of the data. Four digits are written as in years; thousands are divided from five digits on."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
