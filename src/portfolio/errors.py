"""What a user can do wrong, drawn as a tree. The command line prints these as one message, without a traceback.

PortfolioError
├── ConfigError      a config file, a parameter or a use case's name
├── DataError        collected data that are missing, damaged or not as they should be
├── SourceError      a source that gave other bytes than were pinned, or can't be read
│   └── UnreachableError   it did not answer; it may later
├── BundleError      a bundle that is refused
└── RegistryError    a model version, an alias or a champion that isn't there
    └── RegistryUnreachableError   MLflow did not answer; it may later
"""


class PortfolioError(Exception):
    """What went wrong, why, and the remedy, in the message."""


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
