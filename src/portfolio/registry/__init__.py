"""Every call to MLflow: the runs, the versions and their aliases."""
