"""When Prefect's server starts each flow next."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

MOST_RUNS = 200


def next_runs() -> dict[str, datetime]:
    """By flow, the soonest first, when its next scheduled run begins; it is late if that has passed.

    Asks the server that PREFECT_API_URL names. Raises httpx.HTTPError if it does not answer.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    scheduled = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    found: dict[UUID, datetime] = {}
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=scheduled, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=MOST_RUNS
        )
        names = {flow.id: flow.name for flow in client.read_flows()}
    for run in runs:
        if run.expected_start_time is not None:
            found.setdefault(run.flow_id, run.expected_start_time)
    return {names[flow]: moment for flow, moment in found.items() if flow in names}
