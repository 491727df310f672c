"""A database file of SQLite, which one process writes at a time."""

LOCKED = "Another process is writing to it: wait until that has ended, or end it"


def is_locked(told: object) -> bool:
    """Whether an error says that another process held the file for longer than was waited. It is no damage."""
    return "is locked" in str(told)
