"""Several processes that serve on one port, as one server: `portfolio serve --workers N`.

A supervisor forks the workers and restarts those that end. They share the listening socket, and a board in memory on
which each keeps what it has counted, so that whoever is asked answers for all.
"""
