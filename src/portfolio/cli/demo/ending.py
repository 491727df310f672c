"""Act 7: one page tells it all, in the order in which it happened."""

from __future__ import annotations

from datetime import datetime

from rich.table import Table

from portfolio.cli.demo.processes import steps
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Story
from portfolio.cli.demo.watch import COLOURS
from portfolio.core.terminal import console
from portfolio.monitoring.looks import Looks

NAMES = {
    "promoted": "version {version} is promoted",
    "refused": "version {version} is refused",
    "rolled_back": "version {version} is rolled back",
    "retraining": "retraining begins",
    "quarantined": "a batch is quarantined",
}


def tell_timeline(story: Story, scene: Scene) -> None:
    with story.act("One page tells it") as act:
        with console.status("the report"):
            for _ in steps("report", scene.name):
                pass
        log = Looks(scene.log_address)
        try:
            looks, events = log.last(limit=1000), log.events()
        finally:
            log.close()
        moments: list[tuple[datetime, str]] = [
            (event.at, NAMES[event.kind].format(version=event.model_version)) for event in events
        ]
        verdict = ""
        for look in reversed(looks):
            if look.verdict != verdict:
                verdict = look.verdict
                told = f"the monitor says [{COLOURS[verdict]}]{verdict.replace('_', ' ')}[/]"
                moments.append((look.looked_at, f"{told} of version {look.model_version}"))
        table = Table.grid(padding=(0, 2))
        for at, what in sorted(moments):
            table.add_row(f"   [dim]{at.astimezone():%H:%M:%S}[/]", what)
        console.print(table, highlight=False)
        kinds = {event.kind for event in events}
        expected = {"promoted", "refused", "rolled_back"} | ({"retraining"} if scene.alarm else set())
        act.claim(f"the timeline has all of it: {len(looks)} looks, {len(events)} events", expected <= kinds)
