"""The demo, from a clone to its end."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import ExitStack, chdir
from pathlib import Path

from portfolio.cli.demo.arrival import arrive_and_train
from portfolio.cli.demo.clone import bring_files, cleared, refreshed
from portfolio.cli.demo.ending import tell_timeline
from portfolio.cli.demo.refusal import refuse_and_roll_back
from portfolio.cli.demo.renewal import renew
from portfolio.cli.demo.scene import Scene
from portfolio.cli.demo.story import Story
from portfolio.cli.demo.traffic import drifted_traffic, live_traffic
from portfolio.contract.loading import load_use_case
from portfolio.core import files
from portfolio.core.environment import local_environment, state_folder
from portfolio.core.errors import PortfolioError
from portfolio.core.paths import default_use_case
from portfolio.core.terminal import console
from portfolio.report.words import PAGES

# What would lead out of the demo's own state: to a registry or a log that others use, or past keys.
OF_OTHERS = ("MLFLOW_TRACKING_URI", "SERVING_", "PORTFOLIO_USE_CASE", "PORTFOLIO_API_KEY")
RECORDED_WIDTH = 110


def demo(name: str, recording: Path | None = None) -> None:
    """Tell the story. The server is stopped in any case.

    Raises PortfolioError if a step fails, or if a claim does not hold.
    """
    load_use_case(name)
    if recording is not None:
        recording = recording.absolute()
        console.record, console.width = True, RECORDED_WIDTH
    story = Story()
    clone = refreshed(state_folder() / "demo")
    bring_files(name, clone)
    cleared(name, clone)
    for variable in [known for known in os.environ if known.startswith(OF_OTHERS)]:
        del os.environ[variable]
    # Whoever stops the demo stops its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.environ["PORTFOLIO_STATE"] = str(clone / ".state")
    local_environment()
    with chdir(clone):
        report = _tell(story, name)
    story.show_end()
    if recording is not None:
        # Before what names folders of this machine.
        files.write_text(recording, _svg(f"portfolio demo {name}"))
    _say_how_to_go_on(story, name, clone, report)
    if story.failed:
        acts = "; ".join(f"act {act.number}: {failed}" for act in story.failed for failed in act.failed)
        raise PortfolioError(f"Not every claim holds: {acts}")


def _svg(title: str) -> str:
    """What was shown, as a picture that asks no other server for its font."""
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)


def _tell(story: Story, name: str) -> str:
    """All acts, in the project that is the current folder. Gives the address of the report."""
    scene = Scene.of(name)
    with ExitStack() as serving:
        arrive_and_train(story, scene, serving)
        live_traffic(story, scene)
        drifted_traffic(story, scene)
        renew(story, scene)
        refuse_and_roll_back(story, scene)
        tell_timeline(story, scene)
    return (scene.paths.report / PAGES["en"]).absolute().as_uri()


def _say_how_to_go_on(story: Story, name: str, clone: Path, report: str) -> None:
    ended = "[bold green]Done[/]" if not story.failed else "[bold red]Ended[/]"
    console.print(f"\n{ended} in {story.seconds:.0f} s; the server has been stopped. To go on:")
    console.print("  make run        the loop in this checkout, for your own changes")
    console.print("  make serve      the model that you train then, at http://127.0.0.1:8000")
    console.print("  make help       everything else", highlight=False)
    if name != default_use_case():
        console.print(f"Add USE_CASE={name} to each.", highlight=False)
    # Whoever came by `make demo` has no environment activated.
    program = Path(sys.executable).with_name("portfolio")
    console.print(
        f"\nThe page of act 7 once more: cd {clone} && {program} serve {name}, then http://127.0.0.1:8000/monitor",
        soft_wrap=True,
    )
    console.print(f"What the model is worth, on one page: {report}", highlight=False, soft_wrap=True)
