"""The command line, `portfolio ...`: a module for each group of commands."""
