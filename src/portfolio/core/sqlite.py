"""A database file of SQLite, which one process writes at a time."""

LOCKED = "Another process is writing to it: wait until that has ended, or end it"


def is_locked(error: BaseException) -> bool:
    """Whether another process held the file for longer than was waited. It is whole, whatever else is said of it."""
    return "is locked" in str(error)
