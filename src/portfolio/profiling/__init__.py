"""From a file of somebody's own rows to the draft of a use case: what each column is, and what a model may see."""
