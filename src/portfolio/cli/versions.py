"""Commands about the registered versions, and which of them is served."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portfolio.cli.arguments import NamedUseCase, UseCaseName
from portfolio.core.errors import RegistryError

if TYPE_CHECKING:
    from portfolio.registry.record import Fetch

app = typer.Typer()
PANEL = "Choose the version that is served"
# A reference of at least this many characters is taken for a digest.
DIGEST_LENGTH = 8
Reference = Annotated[
    str,
    typer.Argument(
        metavar="VERSION", help="Number of a version listed by `portfolio models`, or the start of its digest."
    ),
]


@app.command(rich_help_panel=PANEL)
def models(use_case: UseCaseName) -> None:
    """List the registered versions, newest first, with aliases, value, digests and the gate's verdict."""
    from rich.table import Table

    from portfolio.bundle.policy import VALUE
    from portfolio.contract.loading import load_use_case
    from portfolio.core.terminal import console
    from portfolio.registry.registry import Registry
    from portfolio.report.words import figure_name, number, read_words

    case = load_use_case(use_case)
    versions = Registry(case).versions()
    if not versions:
        console.print(f"No version of '{use_case}' yet. Train one: portfolio run {use_case}")
        return
    words = read_words("en")
    table = Table(title=case.title, show_lines=True)
    for heading in ("version", "model", "test rows", "verdict"):
        table.add_column(heading, no_wrap=heading in ("version", "test rows"))
    for version in versions:
        scores = {"yen per 1,000": version.metrics.get(f"test/{VALUE}")}
        scores[figure_name(case.metric, words)] = version.metrics.get(f"test/{case.metric}")
        table.add_row(
            "\n".join([str(version.number), *version.aliases]),
            f"{version.candidate.replace('_', ' ')}\n{version.digest[:12]}",
            "\n".join(f"{name} {number(value)}" for name, value in scores.items()),
            version.verdict,
        )
    console.print(table)


@app.command(rich_help_panel=PANEL)
def promote(
    use_case: NamedUseCase,
    version: Reference,
    force: Annotated[bool, typer.Option(help="Skip the gate.")] = False,
) -> None:
    """Make a version the champion and publish it, if it passes the gate."""
    from portfolio.contract.loading import load_use_case
    from portfolio.registry.registry import ALREADY_CHAMPION, Registry

    registry, reference = Registry(load_use_case(use_case), _fetch()), _parsed(version)
    number = reference if isinstance(reference, int) else registry.number_of(reference)
    verdict = registry.promote(number, force=force)
    if verdict == ALREADY_CHAMPION:
        print(f"version {number}: {verdict.reason}")
        return
    if not verdict.promoted:
        raise RegistryError(f"Version {number} was not promoted: {verdict.reason}. To do it by hand, add --force.")
    print(f"version {number} is champion and published: {verdict.reason}{_recorded(use_case)}")


@app.command(rich_help_panel=PANEL)
def rollback(use_case: NamedUseCase) -> None:
    """Go back to the previous champion."""
    from portfolio.contract.loading import load_use_case
    from portfolio.registry.registry import Registry

    number = Registry(load_use_case(use_case)).rollback()
    print(f"version {number} is champion again, and published{_recorded(use_case)}")


@app.command(rich_help_panel=PANEL)
def pin(use_case: NamedUseCase, version: Reference) -> None:
    """Serve one version, whatever is promoted, until `portfolio unpin`."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    name = load_use_case(use_case).name
    pinned = Store.of(name).pin(_in_store(name, version))
    print(f"version {pinned.model_version} (digest {pinned.digest[:12]}) is served until: portfolio unpin {use_case}")


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
    version: Reference,
    share: Annotated[float, typer.Option(help="Share of the requests, 0 to 1; 0 stops it.", min=0, max=1)] = 0.1,
) -> None:
    """Run a challenger on a share of the requests; its answers go to the prediction log only."""
    from portfolio.bundle.store import Store
    from portfolio.contract.loading import load_use_case

    name = load_use_case(use_case).name
    Store.of(name).set_shadow(_in_store(name, version) if share else "", share)
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


def _parsed(reference: str) -> int | str:
    """A version's number, or the beginning of a bundle's digest."""
    if len(reference) < DIGEST_LENGTH and reference.isdecimal():
        return int(reference)
    if len(reference) >= DIGEST_LENGTH and not set(reference) - set("0123456789abcdef"):
        return reference
    raise typer.BadParameter(
        f"'{reference}' is neither a version's number nor at least the first {DIGEST_LENGTH} characters of a digest."
    )


def _in_store(use_case: str, version: str) -> str:
    """The digest of a bundle that the store has now: from the registry, if it was never published."""
    from portfolio.bundle.store import Store

    reference, store = _parsed(version), Store.of(use_case)
    if isinstance(reference, str):
        with suppress(RegistryError):
            return store.find(reference)[0]
    from portfolio.registry.tracking import has_registry

    if not has_registry():
        return store.find(reference)[0]
    # A number is the registry's own: the store may have one of an earlier registry under the same.
    from portfolio.contract.loading import load_use_case
    from portfolio.registry.registry import Registry

    there = ", ".join(
        f"{digest[:12]} (version {manifest.lineage.model_version})" for digest, manifest in store.manifests().items()
    )
    try:
        registry = Registry(load_use_case(use_case))
        return registry.add_to_store(reference if isinstance(reference, int) else registry.number_of(reference))
    except RegistryError as error:
        raise RegistryError(f"{error} The store has these, which you can name by digest: {there or 'none'}.") from error


def _fetch() -> Fetch | None:
    """What brings a folder from the DVC remote, where there is a repository."""
    if not Path(".dvc").is_dir():
        return None
    from pipelines.versioning import fetch

    return fetch


def _recorded(use_case: str) -> str:
    """Put what git is to know of the champion under DVC, where there is a repository. Says what to commit."""
    from pipelines import versioning
    from portfolio.core.paths import Paths

    paths = Paths(use_case)
    if not Path(".dvc").is_dir():
        return ""
    versioning.add(paths.champion)
    return f". For others to have it: git add {paths.verdict} {paths.champion.parent}, commit, dvc push"
