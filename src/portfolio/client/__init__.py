"""What talks to a server: predictions of a file, a steady load."""
