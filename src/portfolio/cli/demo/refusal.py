"""Act 6: a worse model is refused, and a rollback is a matter of seconds."""

from __future__ import annotations

import json
import time
from pathlib import Path

from rich.markup import escape

from portfolio.bundle.policy import VALUE
from portfolio.cli.demo.processes import seconds_until_served, served_version
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Act, Story, shortened
from portfolio.core import files
from portfolio.core.terminal import console
from portfolio.registry.registry import Registry
from portfolio.report.words import yen

SWAP_SECONDS = 10


def refuse_and_roll_back(story: Story, scene: Scene) -> None:
    with story.act("A worse model is refused; a rollback takes seconds") as act:
        values = {name: scores[VALUE] for name, scores in scene.evaluation()["candidates"].items()}
        candidate = scene.champion().manifest.candidate
        worst = min((name for name in values if name != candidate), key=lambda name: values[name])
        with console.status("a worse candidate challenges the champion"):
            registry = Registry(scene.case)
            worse = _register(scene, registry, worst)
            verdict = registry.promote(worse)
        act.tell(f"version {worse} is the {worst.replace('_', ' ')}: {yen(values[worst])} yen per 1,000 test rows")
        if values[worst] < values[candidate] or not verdict.promoted:
            act.claim(f"version {worse} is refused", not verdict.promoted)
        else:
            act.leave_out("no candidate is worth less than the champion on the test rows")
        for check in [check for check in verdict.checks if not check.passed][:3]:
            act.tell(f"  [dim]{escape(shortened(check.told('en')))}[/]")
        if verdict.promoted:
            _back(act, scene, registry)
        elif served_version(scene.address) == 1:
            # There is no earlier champion to go back to: a person insists on the worse one.
            act.tell(f"version {worse} is promoted by hand all the same (portfolio promote --force)")
            _forward(act, scene, registry, worse)
            _back(act, scene, registry)
        else:
            now = served_version(scene.address)
            _back(act, scene, registry)
            _forward(act, scene, registry, now)


def _register(scene: Scene, registry: Registry, candidate: str) -> int:
    """Register this candidate in the best one's place."""
    before = scene.paths.best.read_text()
    best = json.loads(before)
    files.write_text(scene.paths.best, json.dumps({**best, "folder": str(Path(best["folder"]).with_name(candidate))}))
    try:
        return registry.register(scene.case.config())
    finally:
        files.write_text(scene.paths.best, before)


def _back(act: Act, scene: Scene, registry: Registry) -> None:
    started = time.monotonic()
    version = registry.rollback()
    seconds_until_served(scene.address, version)
    seconds = time.monotonic() - started
    act.claim(f"rolled back: version {version} serves after {seconds:.1f} s", seconds < SWAP_SECONDS)


def _forward(act: Act, scene: Scene, registry: Registry, version: int) -> None:
    started = time.monotonic()
    registry.promote(version, force=True)
    seconds_until_served(scene.address, version)
    seconds = time.monotonic() - started
    act.claim(f"rolled forward: version {version} serves after {seconds:.1f} s", seconds < SWAP_SECONDS)
