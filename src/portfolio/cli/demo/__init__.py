"""The demo: the life of a model in seven acts, each with its claim checked, in a copy of this repository."""
