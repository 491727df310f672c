"""The prediction log: what was asked, what was answered, and what turned out to be true.

Serving writes it, and monitoring reads it. SQLite by default, in WAL mode and durable; PostgreSQL by its address.

    predictions          one row per answered request, by its id
    shadow_predictions   what a challenger would have answered to some of them
    feedback             the true labels, at most one for each row of a request
    feedback_history     the labels that were corrected
    unanswered           how many requests got no answer: refused, or failed
    looks                what the monitor found, by window
    events               what happened to the served model: promoted, refused, rolled back ...
    log_of               the use case whose log this is: one row
"""
