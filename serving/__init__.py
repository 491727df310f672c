"""The server. It knows one thing, a bundle, and imports nothing that trains, tracks or orchestrates.

app.py puts it together, server.py runs it, settings.py says what can be set; each folder is a room.
"""
