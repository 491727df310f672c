"""The registered versions, and which of them is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName

if TYPE_CHECKING:
    from portfolio.bundle.store import Store

app = typer.Typer()
PANEL = "Choose the version that is served"
VersionNumber = Annotated[int, typer.Argument(help="Number of a version listed by `portfolio models`.")]


@app.command(rich_help_panel=PANEL)
def models(use_case: UseCaseName) -> None:
    """List the registered versions, newest first, with aliases, metrics, digests and the gate's verdict."""
    from rich.table import Table

    from portfolio.contract.loading import load_use_case
    from portfolio.core.terminal import console
    from portfolio.registry.registry import Registry

    case = load_use_case(use_case)
    versions = Registry(case).versions()
    if not versions:
        console.print(f"No version of '{use_case}' yet. Train one: portfolio run {use_case}")
        return
    table = Table(title=case.title, show_lines=True)
    for heading in ("version", "alias", "candidate", "digest", "test metrics", "verdict"):
        table.add_column(heading, no_wrap=heading in ("version", "alias", "digest"))
    for version in versions:
        scores = {name: value for name, value in version.metrics.items() if name.startswith("test/")}
        table.add_row(
            str(version.number),
            "\n".join(version.aliases),
            version.candidate,
            version.digest[:12],
            "\n".join(f"{name.removeprefix('test/')} {value:,.4f}" for name, value in sorted(scores.items())),
            version.verdict,
        )
    console.print(table)


@app.command(rich_help_panel=PANEL)
def promote(
    use_case: NamedUseCase,
    version: VersionNumber,
    force: Annotated[bool, typer.Option(help="Skip the gate.")] = False,
) -> None:
    """Make a version the champion and publish it, if it passes the gate."""
    from portfolio.contract.loading import load_use_case
    from portfolio.core.errors import RegistryError
    from portfolio.registry.registry import ALREADY_CHAMPION, Registry

    verdict = Registry(load_use_case(use_case)).promote(version, force=force)
    if verdict == ALREADY_CHAMPION:
        print(f"version {version}: {verdict.reason}")
        return
    if not verdict.promoted:
        raise RegistryError(f"Version {version} was not promoted: {verdict.reason}. To do it by hand, add --force.")
    print(f"version {version} is champion and published: {verdict.reason}")


@app.command(rich_help_panel=PANEL)
def rollback(use_case: NamedUseCase) -> None:
    """Go back to the previous champion."""
    from portfolio.contract.loading import load_use_case
    from portfolio.registry.registry import Registry

    print(f"version {Registry(load_use_case(use_case)).rollback()} is champion again, and published")


@app.command(rich_help_panel=PANEL)
def pin(use_case: NamedUseCase, version: VersionNumber) -> None:
    """Serve one version, whatever is promoted, until `portfolio unpin`."""
    from portfolio.contract.loading import load_use_case

    pinned = _store_with(load_use_case(use_case).name, version).pin(version)
    print(f"version {version} (digest {pinned.digest[:12]}) is served until: portfolio unpin {use_case}")


@app.command(rich_help_panel=PANEL)
def unpin(use_case: NamedUseCase) -> None:
    """Serve the champion again."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    Store.of(load_use_case(use_case).name).unpin()
    print("the champion is served")


@app.command(rich_help_panel=PANEL)
def shadow(
    use_case: NamedUseCase,
    version: VersionNumber,
    share: Annotated[float, typer.Option(help="Share of the requests, 0 to 1; 0 stops it.", min=0, max=1)] = 0.1,
) -> None:
    """Run a challenger on a share of the requests; its answers go to the prediction log only."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    name = load_use_case(use_case).name
    store = _store_with(name, version) if share else Store.of(name)
    store.set_shadow(version, share)
    print(f"version {version} runs beside the champion on {share:.0%} of the requests" if share else "no shadow runs")


@app.command(rich_help_panel=PANEL)
def export(
    use_case: NamedUseCase,
    folder: Annotated[Path, typer.Argument(help="Folder in which USE_CASE is created or replaced.")],
) -> None:
    """Copy the champion's bundle into a folder that can be served on its own, for an image."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    champion = Store.of(load_use_case(use_case).name).export(folder / use_case)
    print(f"version {champion.model_version} (digest {champion.digest[:12]}) is in {folder / use_case}")


def _store_with(use_case: str, version: int) -> Store:
    """The store, with that version's bundle in it: from the registry, if it was never published."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    store = Store.of(use_case)
    versions = store.versions()
    if version not in versions:
        from portfolio.core.errors import RegistryError
        from portfolio.registry.registry import Registry

        try:
            Registry(load_use_case(use_case)).add_to_store(version)
        except RegistryError as error:
            there = ", ".join(map(str, versions)) or "none"
            raise RegistryError(
                f"The store of '{use_case}' has no version {version} (there are: {there}), and the registry could not "
                f"give it: {error}"
            ) from error
    return store
