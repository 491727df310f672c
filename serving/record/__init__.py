"""What is kept of the requests: the prediction log, true labels, live metrics and the server's own logs.

Whatever could make an answer wait, such as a disk or a database, is left to threads of their own.
"""
