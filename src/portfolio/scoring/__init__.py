"""Batch scoring: the rows of files, of any size, answered by the champion's bundle without a server."""
