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
from portfolio.monitoring.inflow import OUTPUT

# As the page calls them.
SENTENCES = {
    "drift": "drift is found in {fields}",
    "harm": "[bold red]harm is found[/]: {why}",
    "retraining": "retraining begins",
    "promoted": "[green]version {version} is promoted[/]",
    "refused": "version {version} is refused",
    "rolled_back": "rolled back to version {version}",
    "quarantined": "rows are quarantined",
}
HARM = {
    "errors_cost_more": "the errors of version {version} cost more than promised",
    "slice_costs_more": "in a slice, the errors of version {version} cost more than promised",
    "people_decide_more": "version {version} leaves more rows to people than promised",
    "estimate_is_harm": "version {version} expects to be worth less than promised",
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
    kind, figures, version = str(event["kind"]), event["figures"], event["model_version"]
    names = ["the answers" if name == OUTPUT else name for name in figures.get("fields", [])]
    why = HARM.get(figures.get("finding", ""), "version {version} is worth less than promised").format(version=version)
    sentence = SENTENCES.get(kind, kind.replace("_", " "))
    return sentence.format(version=version, fields=escape(listed(names, MAX_FIELDS)), why=why)
