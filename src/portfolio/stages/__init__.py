"""The DVC stages, one module each with a function `run(use_case, config)`. Their order stands in dvc.yaml alone."""
