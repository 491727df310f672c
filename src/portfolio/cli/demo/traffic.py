"""Acts 3 and 4: traffic as the training had it, and then drifted, until the monitor says that it does harm."""

from __future__ import annotations

import numpy as np
from rich.live import Live
from rich.markup import escape

from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Act, Story, shortened
from portfolio.cli.demo.watch import Findings, looked, reasons
from portfolio.client.simulate import Simulator, Traffic
from portfolio.core.counted import counted
from portfolio.core.terminal import console
from portfolio.monitoring.looks import Look
from portfolio.report.words import yen

REQUESTS = 400
AT_ONCE = 20
MIN_ROWS = 200
"""With fewer, too little can be told of a drift."""
MAX_REASONS = 2
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
        if promised is None:
            act.leave_out("the model has no prices, so that nothing was promised in yen")
            return
        if seen is None:
            act.tell("the machine decides nothing alone here, and so no label says what its answers are worth")
        else:
            labels = counted(seen["labels"], "label")
            is_near = bool(seen["low"] <= promised <= seen["high"])
            act.claim(f"promised: {yen(promised)} yen per 1,000; it lies within what {labels} show", is_near)
        act.claim(f"the monitor finds no harm: {look.verdict.replace('_', ' ')}", look.verdict != "harmful")


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
        act.tell(
            f"the same as `portfolio simulate {scene.name} --drift {scene.drift}`, looked at every {AT_ONCE} requests"
        )
        last = _until_alarm(act, scene, Simulator(scene.case, scene.address, rows), len(rows))
        if last is not None and scene.drifted.yen:
            for reason in reasons(last)[:MAX_REASONS]:
                act.tell(f"[dim]{escape(shortened(reason))}[/]")
            _judge(act, scene, last)


def _until_alarm(act: Act, scene: Scene, simulator: Simulator, most: int) -> Look | None:
    """Send on until the monitor says that harm is done, or all rows have been sent. The others follow, unwatched."""
    findings, total, last = Findings(), scene.drifted, None
    with Live(findings.table, console=console, refresh_per_second=8, transient=True):
        while total.sent < most and not scene.alarm:
            # Where nothing is found soon, looks become rarer.
            total.add(simulator.send(min(max(AT_ONCE, total.sent // 3), most - total.sent)))
            if look := looked(scene):
                last = look
                findings.add(total.sent, total.yen_per_1000, look)
                scene.alarm = look.verdict == "harmful"
    console.print(findings.table)
    until_alarm, lost = total.sent, _lost(scene)
    if scene.alarm:
        # Nobody stops the scanner: the other rows come too.
        total.add(simulator.send(most - total.sent))
        act.tell(
            f"the alarm came after [bold]{until_alarm:,}[/] requests, which brought {yen(lost)} yen less than promised"
        )
    act.claim(f"all of {total.sent:,} requests were answered", _all(total))
    return last


def _judge(act: Act, scene: Scene, look: Look) -> None:
    """There is harm if the true loss is more than chance; then, and only then, an alarm is right."""
    promised, saved = _promised(scene), np.array(scene.drifted.yen)
    assert promised is not None
    is_harm = promised / 1000 - saved.mean() > SURE * saved.std() / np.sqrt(len(saved))
    costs = f"{yen(_lost(scene))} yen less than promised in {len(saved):,} requests"
    if is_harm:
        figures = look.figures["yen_per_1000"]
        estimated, seen = figures["estimated"], figures["seen"]
        if estimated is not None and seen is not None:
            told = f"{yen(estimated['value'])} without labels, {yen(seen['value'])} from labels"
            if estimated["value"] >= promised and not estimated["trusted"]:
                # Rows that the model has never seen the like of: it may be surer of them than of any other.
                what = "labels tell of the harm, and the estimate without them is marked as not to be trusted"
                act.claim(f"{what}: {told}; {yen(promised)} were promised", seen["value"] < promised)
            else:
                falls = max(estimated["value"], seen["value"]) < promised
                act.claim(f"estimated and seen value fall: {told}; {yen(promised)} were promised", falls)
        act.claim(f"there is harm, {costs}, and the alarm says so", scene.alarm)
    else:
        act.claim(f"there is no harm that is more than chance ({costs}), and no alarm", not scene.alarm)


def _lost(scene: Scene) -> float:
    """Yen that the drifted rows brought less than was promised of so many."""
    return len(scene.drifted.yen) * (_promised(scene) or 0) / 1000 - sum(scene.drifted.yen)


def _promised(scene: Scene) -> float | None:
    promise = scene.champion().manifest.promise
    return None if promise is None or scene.champion().manifest.policy is None else 1000 * promise.value_yen


def _all(found: Traffic) -> bool:
    return found.failed == 0
