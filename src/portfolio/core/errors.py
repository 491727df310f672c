"""What a user can do wrong, drawn as a tree. The command line prints these as one message, without a traceback.

PortfolioError
├── ConfigError      a config file, a parameter or a use case's name
├── DataError        collected data that are missing, damaged or not as they should be
├── SourceError      a source that gave other bytes than were pinned, or can't be read
│   └── UnreachableError   it did not answer; it may later
├── BundleError      a bundle that is refused
├── AnswerError      a server that answered, and with an error
└── RegistryError    a model version, an alias or a champion that isn't there
    └── RegistryUnreachableError   MLflow did not answer; it may later
"""

import json

from portfolio.core.passwords import hidden


class PortfolioError(Exception):
    """What went wrong, why, and the remedy, in the message; no password of an address is ever a part of it."""

    def __init__(self, message: str) -> None:
        super().__init__(hidden(message))


class ConfigError(PortfolioError):
    pass


class DataError(PortfolioError):
    pass


class SourceError(PortfolioError):
    pass


class UnreachableError(SourceError):
    pass


class BundleError(PortfolioError):
    pass


class RegistryError(PortfolioError):
    pass


class RegistryUnreachableError(RegistryError):
    pass


class AnswerError(PortfolioError):
    """`details` are the faults by field, where the server names them."""

    def __init__(self, url: str, status: int, said: str, retry_after: str = "") -> None:
        try:
            error = json.loads(said)["error"]
            message, self.details = error["message"], error["details"]
        except (ValueError, TypeError, KeyError):
            message, self.details = said[:1000], []
        super().__init__(f"{url} answered {status}: {message}")
        self.status, self.retry_after = status, retry_after
