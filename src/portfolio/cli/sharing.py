"""Data and models for others: git has the names of the bytes, a DVC remote has the bytes."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()
PANEL = "Share"


@app.command(rich_help_panel=PANEL)
def remote(
    url: Annotated[str, typer.Argument(help="A folder, s3://BUCKET/PATH, ssh://HOST/PATH, ...: whatever DVC takes.")],
) -> None:
    """Name the place where `dvc push` puts data, models and champions, and `dvc pull` gets them."""
    from pipelines import versioning

    left_out = versioning.share(url)
    print(f"Remote: {url}")
    if left_out:
        print(
            f"Left out of DVC's files, because they were never made here: {', '.join(sorted(left_out))}. Running their "
            "use case brings them back."
        )
    print("For others to have what is here: git add -A, commit, dvc push, git push")
