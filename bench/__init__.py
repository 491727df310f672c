"""What the README claims of speed, measured: `make bench`."""
