"""What a use case says: its fields, its target, its source, its prices, its config and its texts."""
