"""The monitoring flow: look at what was answered since the last look, and ask for a retraining where one is due."""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from sqlalchemy.exc import DBAPIError

from pipelines.notices import notice, tell_end
from pipelines.training import artifact_key, is_locked
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.paths import Paths
from portfolio.monitoring.looks import Look
from portfolio.monitoring.prediction_log.address import log_address, log_unusable, logged_use_cases
from portfolio.monitoring.retraining import Request, current_request

RETRAINING_WANTED = "portfolio.retraining.wanted"
"""The event that starts a training. Prefect keeps no events for later: each run emits it until it is acted on."""


def resource_id(use_case: str) -> str:
    return f"portfolio.use-case.{use_case}"


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=is_locked)
def look(use_case: str, address: str) -> list[Look]:
    """Look at each model version that has answered, or whose labels came, since the last look."""
    from portfolio.monitoring.monitor import look as look_at

    found = look_at(load_use_case(use_case), address)
    get_run_logger().info(
        "looks: %s", ", ".join(f"version {one.model_version} {one.verdict}" for one in found) or "none"
    )
    return found


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=is_locked)
def ask(use_case: str, address: str) -> Request:
    """Ask for a retraining, if one is due, by an event that starts it."""
    found = current_request(load_use_case(use_case), address)
    if found.is_due and not files.is_held(Paths(use_case).lock("run")):
        resource = {"prefect.resource.id": resource_id(use_case), "prefect.resource.name": use_case}
        emit_event(RETRAINING_WANTED, resource, payload={"asked_by": found.asked_by})
        notice(f"retraining of {use_case} asked for, by {found.asked_by}")
    return found


@flow(name="monitoring", timeout_seconds=1800, on_failure=[tell_end], on_crashed=[tell_end])
def monitoring(use_case: str = "") -> dict[str, Request]:
    """Look at what was answered since the last look, and ask for a retraining where one is due.

    Args:
        use_case: One of the use cases in params.yaml; all that have a prediction log if it is empty.
    """
    found, errors = {}, []
    for name in [use_case] if use_case else logged_use_cases():
        try:
            if (asked := _monitor(name)) is not None:
                found[name] = asked
        except Exception as error:
            # The others are looked at all the same.
            get_run_logger().exception("'%s' can't be looked at", name)
            errors.append(error)
    if errors:
        raise errors[0]
    return found


def _monitor(use_case: str) -> Request | None:
    # A name that is no use case's is not one that nobody has asked yet.
    load_use_case(use_case)
    address = log_address(use_case)
    if address is None:
        get_run_logger().info("no server has answered for '%s' yet: there is nothing to look at", use_case)
        return None
    try:
        looks = look(use_case, address)
        asked = ask(use_case, address)
    except DBAPIError as error:
        raise log_unusable(address, error) from error
    if looks:
        create_markdown_artifact(key=artifact_key(use_case, "monitoring"), markdown=markdown(use_case, looks, asked))
    return asked


def markdown(use_case: str, looks: list[Look], asked: Request) -> str:
    """The looks of one run, as Prefect's UI shows them."""
    lines = [f"# What {use_case} did since the last look"]
    for one in looks:
        lines += [
            "",
            f"## Version {one.model_version}: {one.verdict.replace('_', ' ')}",
            f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M} UTC, {one.rows:,} rows, {one.labels:,} labels",
            "",
            *(f"- {reason.told('en')}" for reason in one.reasons),
        ]
    if asked.asked_by:
        lines += [
            "",
            f"**Retraining asked for** (by {asked.asked_by}){f', but not yet: {asked.held}' * bool(asked.held)}",
        ]
    return "\n".join(lines)
