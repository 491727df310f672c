"""Check every collected batch. Bad rows go to quarantine with the reason; a batch with too many goes whole."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from portfolio.contract.config import Config, Validate
from portfolio.contract.use_case import UseCase
from portfolio.core import files
from portfolio.core.counted import counted
from portfolio.core.errors import DataError
from portfolio.core.labels import listed
from portfolio.core.paths import Paths
from portfolio.data.batches import OF_FEEDBACK, is_feedback
from portfolio.data.parquet import write_parquet
from portfolio.data.validate import check_batch, is_export_of_all, repeated_keys, repeated_reason, split_repeated

MOST_COMMON = 5


def run(use_case: UseCase, config: Config) -> None:
    paths, until = Paths(use_case.name), config.collect.until
    collected = sorted(paths.batches.glob("*.parquet"))
    # Labels that came back are used whatever the day until which the source's batches are.
    batches = [path for path in collected if until is None or is_feedback(path) or path.stem <= str(until)]
    if not batches:
        held = (
            f"holds {counted(len(collected), 'batch', 'batches')}, all after collect.until ({until})"
            if collected
            else "holds no batch"
        )
        raise DataError(
            f"Nothing has been collected for '{use_case.name}': {paths.batches} {held}. "
            f"Collect first: portfolio collect {use_case.name}"
        )
    schema = use_case.schema()
    limits = config.validate_
    with files.replaced_folder(paths.clean) as clean, files.replaced_folder(paths.quarantine) as quarantine:
        for path in batches:
            good, bad = check_batch(path, schema, use_case, limits)
            _write(good, clean / path.name)
            _write(bad, quarantine / path.name)
        # Only rows that stood every other test count as delivered: a batch that was refused may be sent again.
        for name, keys in repeated_keys(clean, use_case.key).items():
            raw = pl.read_parquet(paths.batches / name).drop(OF_FEEDBACK, strict=False)
            rows = pl.read_parquet(clean / name)
            each = _limits_of_repeated(clean / name, rows, keys, use_case.key, limits)
            good, bad = split_repeated(rows, raw, keys, use_case.key, each)
            if (quarantine / name).exists() and not good.is_empty():
                bad = pl.concat([pl.read_parquet(quarantine / name), bad])
            _write(good, clean / name)
            _write(bad, quarantine / name)
        counts = {
            "batches": len(batches),
            "rows": _rows(clean),
            "bad_rows": _rows(quarantine),
            "quarantined_batches": len(batches) - len(list(clean.iterdir())),
        }
        _check_enough(use_case, limits, counts, quarantine)
        empty = [path.stem for path in batches if not any((at / path.name).exists() for at in (clean, quarantine))]
        notes = _missing_classes(use_case, clean)
    if empty:
        notes.append(f"batches without a row: {listed(empty)}")
    if len(batches) < len(collected):
        notes.append(f"batches after collect.until ({until}), which are left out: {len(collected) - len(batches)}")
    files.write_text(paths.metrics("validate"), json.dumps(counts, indent=1) + "\n")
    told = (
        f"{counted(counts['rows'], 'good row')} in {counted(counts['batches'], 'batch', 'batches')}; quarantined: "
        f"{counted(counts['bad_rows'], 'row')}, "
        f"{counted(counts['quarantined_batches'], 'whole batch', 'whole batches')}"
    )
    print("; ".join([told, *notes]))


def _limits_of_repeated(path: Path, rows: pl.DataFrame, keys: list[str], key: str, limits: Validate) -> Validate:
    """Without a limit for a batch that has the earlier rows as they were beside new ones: those are to be learned."""
    if is_feedback(path) or len(keys) <= limits.max_bad_fraction * len(rows):
        return limits
    before = [other for other in sorted(path.parent.iterdir()) if other.name < path.name and not is_feedback(other)]
    parts = [pl.scan_parquet(other).filter(pl.col(key).is_in(keys)).select(rows.columns) for other in before]
    earlier = pl.concat([rows.clear().lazy(), *parts]).collect()
    whole = is_export_of_all(rows, earlier, keys, key, limits)
    return limits.model_copy(update={"max_bad_fraction": 1.0}) if whole else limits


def _check_enough(use_case: UseCase, limits: Validate, counts: dict[str, int], quarantine: Path) -> None:
    """Raise DataError, with the reasons and what to do, if most rows are bad: then it is not they that are wrong.

    Feedback does not count: whoever sends labels to a server must not be able to stop the training. Nor do rows that an
    earlier batch has: they are good there.
    """
    paths = sorted(quarantine.iterdir())
    of_source = [path for path in paths if not is_feedback(path)]
    # Where there is nothing else, it is feedback that leaves nothing to train on.
    bad = pl.concat(
        [pl.DataFrame({"reason": pl.Series([], dtype=pl.String)})]
        + [pl.read_parquet(path, columns=["reason"]) for path in (of_source if counts["rows"] else paths)]
    )
    bad = bad.filter(pl.col("reason") != repeated_reason(use_case.key))
    rows = counts["rows"] + len(bad)
    if rows and counts["rows"] and len(bad) <= limits.max_quarantined_fraction * rows:
        return
    common = bad["reason"].value_counts(sort=True).head(MOST_COMMON)
    reasons = "".join(f"\n  {counted(count, 'row')}: {reason}" for reason, count in common.iter_rows())
    which, lower = f"Every batch of '{use_case.name}' is", ""
    if counts["rows"]:
        which = f"{len(bad) / rows:.0%} of the rows of '{use_case.name}' are"
        lower = (
            " To train on the other rows all the same, raise validate.max_quarantined_fraction in "
            f"configs/{use_case.name}.yaml."
        )
    raise DataError(
        f"{which} bad. Most common:{reasons}\nCorrect what {use_case.folder}/use_case.py "
        f"declares; or correct the source, and replace the batches: portfolio recollect {use_case.name}.{lower}"
    )


def _missing_classes(use_case: UseCase, clean: Path) -> list[str]:
    """For each class, in how many batches it has no row. In a small batch a rare class may be missing by chance."""
    if use_case.output.task != "classification":
        return []
    found = [
        set(pl.read_parquet(path, columns=[use_case.target.column]).to_series()) for path in sorted(clean.iterdir())
    ]
    absent = {
        name: sum(label not in labels for labels in found)
        for name, label in zip(use_case.output.classes, use_case.output.labels, strict=True)
    }
    told = [f"{name} in {count} of {len(found)} batches" for name, count in absent.items() if count]
    return [f"no row of class {listed(told)}"] if told else []


def _write(rows: pl.DataFrame, path: Path) -> None:
    """Write the rows, or see to it that there is no file where there are none."""
    path.unlink(missing_ok=True)
    if not rows.is_empty():
        write_parquet(path, rows)


def _rows(folder: Path) -> int:
    return sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in folder.iterdir())
