"""Act 6: a worse model is refused, and a rollback is a matter of seconds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from textwrap import shorten

from portfolio.bundle.policy import VALUE
from portfolio.cli.demo.processes import seconds_until_served, served_version
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Act, Story
from portfolio.core import files
from portfolio.core.terminal import console
from portfolio.registry.registry import Registry

MAX_REASON = 150
SWAP_SECONDS = 10


def refuse_and_roll_back(story: Story, scene: Scene) -> None:
    with story.act("A worse model is refused; a rollback takes seconds") as act:
        with console.status("a worse candidate challenges the champion"):
            registry = Registry(scene.case)
            worse = _register_worst(scene, registry)
            verdict = registry.promote(worse)
        act.claim(f"version {worse} is refused", not verdict.promoted)
        for check in [check for check in verdict.checks if not check.passed][:3]:
            act.tell(f"  [dim]{shorten(check.told('en'), MAX_REASON, placeholder='…')}[/]")
        if served_version(scene.address) == 1:
            # There is no earlier champion to go back to: a person insists on the worse one.
            act.tell(f"version {worse} is promoted by hand all the same (portfolio promote --force)")
            _forward(act, scene, registry, worse)
            _back(act, scene, registry)
        else:
            now = served_version(scene.address)
            _back(act, scene, registry)
            _forward(act, scene, registry, now)


def _register_worst(scene: Scene, registry: Registry) -> int:
    """Register the candidate that is worth least in the best one's place."""
    candidates = scene.evaluation()["candidates"]
    champion = scene.champion().manifest.candidate
    worst = min((name for name in candidates if name != champion), key=lambda name: candidates[name][VALUE])
    before = scene.paths.best.read_text()
    best = json.loads(before)
    files.write_text(scene.paths.best, json.dumps({**best, "folder": str(Path(best["folder"]).with_name(worst))}))
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
