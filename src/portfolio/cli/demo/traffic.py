"""Acts 3 and 4: traffic as the training had it, and then drifted, until the monitor says that it does harm."""

from __future__ import annotations

from textwrap import shorten

import numpy as np
from rich.live import Live

from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Act, Story
from portfolio.cli.demo.watch import Findings, looked, reasons
from portfolio.client.simulate import Simulator, Traffic
from portfolio.core.counted import counted
from portfolio.core.terminal import console
from portfolio.report.words import yen

REQUESTS = 400
AT_ONCE = 20
MIN_ROWS = 200
"""With fewer, too little can be told of a drift."""
MAX_REASON = 160
# Twice the standard error: a loss that is larger was none by chance.
SURE = 2.0


def live_traffic(story: Story, scene: Scene) -> None:
    """Live yen are near what was promised."""
    with story.act("Traffic: live yen are near what was promised") as act:
        findings = Findings()
        simulator = Simulator(scene.case, scene.address, scene.test_rows)
        with console.status(f"{REQUESTS} requests"):
            found = simulator.send(REQUESTS)
            look = looked(scene)
        act.claim(
            f"all of {found.sent:,} requests were answered, {found.sent / found.seconds:,.0f} a second", _all(found)
        )
        assert look is not None
        findings.add(found.sent, found.yen_per_1000, look)
        console.print(findings.table)
        promised = _promised(scene)
        seen = look.figures["yen_per_1000"]["seen"]
        if promised is None or seen is None:
            act.leave_out("the model has no prices, so that nothing was promised in yen")
            return
        act.claim(
            f"promised: {yen(promised)} yen per 1,000; it lies within what {counted(seen['labels'], 'label')} show",
            bool(seen["low"] <= promised <= seen["high"]),
        )
        act.claim(f"the monitor does not cry wolf: {look.verdict.replace('_', ' ')}", look.verdict != "harmful")


def drifted_traffic(story: Story, scene: Scene) -> None:
    """The alarm comes where there is harm, and says what it cost."""
    with story.act(f"Drift: {scene.drift or 'none'}") as act:
        if not scene.drift:
            act.leave_out(f"{scene.name} has no drift: write drifts() in its use_case.py")
            return
        rows = scene.drifted_rows(held_out=False)
        if len(rows) < MIN_ROWS:
            act.leave_out(f"{counted(len(rows), 'row')} to drift are too few: {MIN_ROWS} are needed")
            return
        act.tell(f"as by `portfolio simulate {scene.name} --drift {scene.drift}`; a look every {AT_ONCE} requests")
        _until_alarm(act, scene, Simulator(scene.case, scene.address, rows), len(rows))
        if scene.drifted.yen:
            _judge(act, scene)


def _until_alarm(act: Act, scene: Scene, simulator: Simulator, most: int) -> None:
    """Send on until the monitor says that harm is done, or all rows have been sent. The others follow, unwatched."""
    findings, total = Findings(), scene.drifted
    with Live(findings.table, console=console, refresh_per_second=8, transient=True):
        while total.sent < most and not scene.alarm:
            total.add(simulator.send(min(AT_ONCE, most - total.sent)))
            if look := looked(scene):
                findings.add(total.sent, total.yen_per_1000, look)
                scene.alarm = look.verdict == "harmful"
    console.print(findings.table)
    act.claim(f"all of {total.sent:,} requests were answered", _all(total))
    if look is not None:
        for reason in reasons(look)[:3]:
            act.tell(f"[dim]{shorten(reason, MAX_REASON, placeholder='…')}[/]")
    scene.rest, scene.left = simulator, most - total.sent


def _judge(act: Act, scene: Scene) -> None:
    """There is harm if the true loss is more than chance; then, and only then, an alarm is right."""
    promised, total = _promised(scene), scene.drifted
    assert promised is not None
    lost = promised / 1000 - np.array(total.yen)
    is_harm = lost.mean() > SURE * lost.std() / np.sqrt(len(lost))
    costs = f"{yen(lost.sum())} yen less than promised in {total.sent:,} requests"
    if is_harm:
        act.claim(f"the alarm came after {total.sent:,} requests; they brought {costs}", scene.alarm)
    else:
        act.claim(f"no harm that is more than chance ({costs}), and no alarm", not scene.alarm)


def _promised(scene: Scene) -> float | None:
    promise = scene.champion().manifest.promise
    return None if promise is None or scene.champion().manifest.policy is None else 1000 * promise.value_yen


def _all(found: Traffic) -> bool:
    return found.failed == 0
