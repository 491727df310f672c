"""What may be started in Prefect's pages, and what runs on a schedule: `python -m pipelines.deployments` serves it.

A schedule that was switched off in the pages stays off.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from portfolio.core.environment import local_environment, print_what_fits
from portfolio.core.passwords import hidden

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

NAME = "portfolio"
"""Of each flow's deployment: they are shown as `training/portfolio`, `monitoring/portfolio` ..."""
SERVED = "served at"
"""What is said once they are registered."""
RUNS_AT_ONCE = 3
MONITORING = "*/10 * * * *"
TRAINING = "0 3 * * 1"
WEEKLY = "weekly-"
# Between two looks of the monitor: while room is given back, answers wait to be written, and a look would miss them.
PRUNING = "35 3 * * *"


def deployments() -> list[RunnerDeployment]:
    """Of each flow one. Two runs of the same would only take turns, so the second waits."""
    from pipelines.approval import approval
    from pipelines.monitoring import monitoring
    from pipelines.pruning import pruning
    from pipelines.scoring import scoring
    from pipelines.training import training

    return [
        _deployment(
            training,
            "Collect, train, and promote what the gate lets through. The monitor starts it, too.",
            _training_schedules(),
            triggers=[_on_harm()],
        ),
        _deployment(
            monitoring,
            "Look at the answers of every use case that is served, and ask for a retraining after harm.",
            [_cron(MONITORING, "every-ten-minutes")],
        ),
        _deployment(approval, "Ask whether a version may be promoted. A training starts it.", []),
        _deployment(scoring, "Answer all rows of files, larger than memory if need be; a kill loses nothing.", []),
        _deployment(pruning, "Delete old answers from the prediction logs.", [_cron(PRUNING, "nightly")]),
    ]


def _deployment(flow: Flow[..., Any], description: str, schedules: list[Schedule], **options: Any) -> RunnerDeployment:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment

    from portfolio.core.paths import default_use_case

    made = flow.to_deployment(
        NAME,
        description=description,
        schedules=_switched(flow.name, schedules),
        # Not CANCEL_NEW: a slot that was lost with its process would then cancel every later run.
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        tags=["portfolio", flow.name],
        # The form in Prefect's pages begins with it.
        parameters={"use_case": default_use_case()} if "use_case" in flow.parameters.required else {},
        **options,
    )
    assert isinstance(made, RunnerDeployment)
    return made


def _training_schedules() -> list[Schedule]:
    """Weekly. Of a use case without a champion such a run ends at once: the first training is started by hand."""
    from portfolio.core.paths import listed_use_cases

    return [_cron(TRAINING, f"{WEEKLY}{name}", use_case=name, asked_by="schedule") for name in listed_use_cases()]


def _cron(cron: str, slug: str, **parameters: str) -> Schedule:
    from prefect.schedules import Cron

    return Cron(cron, slug=slug, parameters=parameters)


def _on_harm() -> Any:
    from datetime import timedelta

    from prefect.events import DeploymentEventTrigger

    from pipelines.monitoring import RETRAINING_WANTED, resource_id

    return DeploymentEventTrigger(
        name="retraining that the monitor asks for",
        expect={RETRAINING_WANTED},
        match={"prefect.resource.id": resource_id("*")},
        for_each={"prefect.resource.id"},
        within=timedelta(0),
        parameters={"use_case": "{{ event.resource.name }}", "asked_by": "{{ event.payload.asked_by }}"},
    )


def _switched(flow: str, schedules: list[Schedule]) -> list[Schedule]:
    """The schedules as they were switched in the pages. Serving them again would switch all of them on.

    Prefect keeps those that are not served any more: the one of a use case that was removed or renamed is deleted.
    """
    from dataclasses import replace

    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            known = client.read_deployment_by_name(f"{flow}/{NAME}")
        except ObjectNotFound:
            return schedules
        served = [schedule.slug for schedule in schedules]
        for one in known.schedules:
            # What a person has added in the pages stays.
            if one.slug and one.slug.startswith(WEEKLY) and one.slug not in served:
                client.delete_deployment_schedule(known.id, one.id)
    off = {schedule.slug for schedule in known.schedules if not schedule.active}
    return [replace(schedule, active=schedule.slug not in off) for schedule in schedules]


def end_lost_runs() -> int:
    """Call those runs crashed which ended with the process that served the deployments before. Returns their number.

    Such a run would be shown as under way for ever, and the next of its deployment would wait until its slot expires.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    from pipelines.notices import tell_state

    # A run that is paused has no process.
    begun = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    crashed: State[Any] = Crashed(message="The process that served the deployments ended before this run did.")
    with get_client(sync_client=True) as client:
        lost = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=begun))),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[NAME])),
        )
        for run in lost:
            client.set_flow_run_state(run.id, crashed, force=True)
            # Its own hooks can't: they ended with the process.
            tell_state(client.read_flow(run.flow_id).name, run, crashed)
    return len(lost)


def serve(served: list[RunnerDeployment]) -> None:
    """Register the deployments and start their runs, until SIGTERM or Ctrl-C. The runs under way then end, too."""
    import asyncio

    from prefect.runner import Runner

    class Served(Runner):
        def handle_sigterm(self, *_: Any) -> None:
            # Prefect's own handler doesn't await its `stop`; after Ctrl-C it cleans up.
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    runner = Served(limit=RUNS_AT_ONCE, pause_on_shutdown=False)
    for deployment in served:
        runner.add_deployment(deployment)
    print(f"{', '.join(one.full_name for one in served)}: {SERVED} {hidden(os.environ['PREFECT_API_URL'])}", flush=True)
    asyncio.run(runner.start())


def main() -> None:
    from pipelines.server import PrefectServer
    from portfolio.core.counted import counted
    from portfolio.core.environment import state_folder
    from portfolio.core.errors import PortfolioError
    from portfolio.core.files import alone

    # Until the runner handles them there is nothing to bring to an end. An exception, such as that of sys.exit, may
    # be raised in the midst of an import, and come out of it as another.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    print_what_fits()
    local_environment()
    with suppress(KeyboardInterrupt):
        try:
            server = PrefectServer(state_folder() / "logs" / "prefect.log")
            server.start()
            server.wait()
            # Runs of a process that is still there are not lost.
            with alone(state_folder() / "locks" / "deployments.lock", "serving the deployments"):
                if lost := end_lost_runs():
                    told = f"called crashed: {counted(lost, 'run')} lost with the process before this one"
                    print(told, file=sys.stderr)
                serve(deployments())
        except PortfolioError as error:
            sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
