"""Act 5: the labels come back, a challenger learns from them, and takes over under traffic."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

from portfolio.bundle.store import Store
from portfolio.cli.demo.processes import seconds_until_served, served_version, steps
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Story
from portfolio.cli.demo.watch import looked
from portfolio.client.simulate import Simulator, Traffic
from portfolio.core.errors import PortfolioError
from portfolio.core.terminal import console
from portfolio.report.words import yen

# A second, beside the training on the same cores.
RATE = 20
AT_ONCE = 10
MAX_RESULT = 90


def renew(story: Story, scene: Scene) -> None:
    with story.act("Labels come back; a challenger takes over under traffic") as act:
        if not scene.alarm:
            act.leave_out("nothing asks for retraining: only harm does")
            return
        before, old = scene.drifted.yen_per_1000, served_version(scene.address)
        act.tell(f"{scene.drifted.labels:,} labels of {scene.drifted.sent:,} drifted rows have come back")
        rows = scene.drifted_rows(held_out=True)
        with _under_traffic(Simulator(scene.case, scene.address, rows)) as traffic:
            with console.status("training") as status:
                for name, result in steps("run", scene.name):
                    status.update(f"{name}: {shorten(result, MAX_RESULT, placeholder='…')}")
                    if name == "feedback":
                        act.tell(result)
            verdict = json.loads(scene.paths.verdict.read_text())
            champion = Store.of(scene.name).champion()
            assert champion is not None
            seconds_until_served(scene.address, champion.model_version)
        if champion.model_version == old:
            act.claim(f"none of {traffic.sent:,} requests was lost while it was trained", traffic.failed == 0)
            # Whether there is a better model to be learned from so few labels, only the data know.
            act.leave_out(f"the gate keeps the champion, {verdict['reason']}")
            return
        act.claim(f"the challenger wins: {verdict['reason']}", verdict["promoted"])
        act.claim(
            f"version {champion.model_version} took over in the middle of {traffic.sent:,} requests, none of which was "
            "lost",
            traffic.failed == 0 and traffic.sent > 0,
        )
        found = Simulator(scene.case, scene.address, rows).send(len(rows))
        looked(scene)
        after = found.yen_per_1000
        assert before is not None
        assert after is not None
        act.claim(
            f"value recovers: from {yen(before)} to {yen(after)} yen per 1,000, on {len(rows)} drifted rows that "
            "it never saw",
            after > before,
        )


@contextmanager
def _under_traffic(simulator: Simulator) -> Iterator[Traffic]:
    """Requests all the while, without labels. What came back is whole when the context ends."""
    found, stop = Traffic(), threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                found.add(simulator.send(AT_ONCE, rate=RATE, labels=False))
            except PortfolioError:
                # Nothing answers at all: lost.
                found.sent += AT_ONCE
                time.sleep(AT_ONCE / RATE)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
