"""Tells how runs ended: in a file under .state, and to a web address if PORTFOLIO_WEBHOOK_URL names one."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging import get_logger

from portfolio.core.environment import state_folder

WEBHOOK_VARIABLE = "PORTFOLIO_WEBHOOK_URL"
MAX_BYTES = 1_000_000
WEBHOOK_TIMEOUT_SECONDS = 10


def notices_path() -> Path:
    return state_folder() / "notices" / "notices.jsonl"


def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A hook of flows: how a run ended."""
    tell_state(flow.name, flow_run, state)


def tell_state(flow_name: str, flow_run: FlowRun, state: State[Any]) -> None:
    about = flow_run.parameters.get("use_case") or "all use cases"
    notice(f"{flow_name} of {about}: {state.name}{f' ({state.message})' if state.message else ''}", str(flow_run.id))


def notice(text: str, run_id: str = "") -> None:
    """Write a line, and send it. That nobody can be told must not make a run fail."""
    logger = get_logger("portfolio")
    logger.info(text)
    content = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "text": text, "flow_run_id": run_id}
    try:
        _write(json.dumps(content, ensure_ascii=False))
    except OSError as error:
        logger.warning("%s can't be written: %s", notices_path(), error)
    if address := os.environ.get(WEBHOOK_VARIABLE):
        _send(address, content, logger)


def _write(line: str) -> None:
    path = notices_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    # One older file is kept: what runs for years must not fill the disk.
    handler = StrictFileHandler(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8")
    try:
        handler.emit(logging.makeLogRecord({"msg": line}))
    finally:
        handler.close()


class StrictFileHandler(RotatingFileHandler):
    """Raises what goes wrong, a full disk for one: by itself it prints a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, of the library
        # It is called where one is being handled.
        raise


def _send(address: str, content: dict[str, str], logger: Any) -> None:
    import httpx

    try:
        # `text` is what Slack, Mattermost and Google Chat show.
        httpx.post(address, json=content, timeout=WEBHOOK_TIMEOUT_SECONDS).raise_for_status()
    except Exception as error:  # what may be wrong with an address, a proxy or certificates has no common class
        # Not the address: whoever has it can write there.
        logger.warning("the address in %s did not take the notice: %s", WEBHOOK_VARIABLE, type(error).__name__)
