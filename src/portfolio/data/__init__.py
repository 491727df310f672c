"""From a source to three splits: collect, validate, split, and load them as arrays."""
