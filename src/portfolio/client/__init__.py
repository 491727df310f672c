"""Clients of a server: predictions for a file, a constant load."""
