"""What happened in production: the prediction log."""
