"""What is claimed of the reliability of the server and of the flows, tried: `make reliability`.

Each item is a function that gets a folder of its own and, for a server, a bundle to serve, and gives back rows with
verdicts. The tests run the same functions, with smaller counts.
"""
