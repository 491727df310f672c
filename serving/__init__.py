"""The server. It knows one thing, a bundle."""
