"""Act 7: one page tells it all, in the order in which it happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Story
from portfolio.client.predict import ask
from portfolio.core.counted import counted
from portfolio.core.labels import listed
from portfolio.core.terminal import console

# As the page calls them.
SENTENCES = {
    "drift": "drift is found in {fields}",
    "harm": "[bold red]harm is found[/]: version {version} is worth less than promised",
    "retraining": "retraining begins",
    "promoted": "[green]version {version} is promoted[/]",
    "refused": "version {version} is refused",
    "rolled_back": "rolled back to version {version}",
    "quarantined": "rows are quarantined",
}
MAX_FIELDS = 4


def tell_timeline(story: Story, scene: Scene) -> None:
    """The page's own figures, while its server is still there."""
    with story.act("One page tells it: the timeline with its events") as act:
        told = ask(f"{scene.address}/monitor/looks")
        # When a version was deployed follows from the window of its first look alone, which began before.
        events = [event for event in told["events"] if event["kind"] != "deployed"]
        table = Table.grid(padding=(0, 2))
        for event in events:
            at = datetime.fromisoformat(event["at"]).astimezone()
            table.add_row(f"   [dim]{at:%H:%M:%S}[/]", _sentence(event))
        console.print(table, highlight=False)
        expected = {"promoted", "refused", "rolled_back"} | ({"drift", "harm", "retraining"} if scene.alarm else set())
        lacking = sorted(expected - {event["kind"] for event in events})
        act.claim(
            f"{scene.address}/monitor shows {counted(len(told['looks']), 'look')} and {counted(len(events), 'event')}"
            + (f"; it lacks {', '.join(lacking)}" if lacking else ""),
            not lacking,
        )


def _sentence(event: dict[str, Any]) -> str:
    fields = escape(listed(event["figures"].get("fields", []), MAX_FIELDS))
    kind = str(event["kind"])
    sentence = SENTENCES.get(kind, kind.replace("_", " "))
    return sentence.format(version=event["model_version"], fields=fields)
