"""A disk that is full in each step of a training, and of scoring. On the small disk it is `python -m` this module."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.reliability import toy
from bench.reliability.asking import SkippedError
from bench.reliability.flows import Flow, undisturbed
from bench.reliability.stepping import FILLER
from bench.rows import Row, console
from portfolio.core import files
from tests.workspace import TOY

SIZE = "400m"
SCORED_ROWS = 50_000
OUTPUTS = ("first.parquet", "second.parquet")
SAID = re.compile("No space is left for|No space left on device|database or disk is full|disk is full")
MOUNTED = 'mount -t tmpfs -o size=$1 none "$2" && shift 2 && exec "$@"'


def flows_disk_full(work: Path) -> list[Row]:
    """The disk fills up at each step: each time the run says so, and with room again the results are the same."""
    if shutil.which("unshare") is None:
        raise SkippedError("there is no `unshare` here, with which to mount a small disk")
    disk = work / "disk"
    disk.mkdir()
    mounted = ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", SIZE, str(disk)]
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        raise SkippedError("there is no right to mount a small disk here")
    whole, seconds = undisturbed()
    arguments = [str(toy.untrained()), str(disk), toy.prefect(), *seconds]
    command = [sys.executable, "-m", "bench.reliability.full_disk", *arguments]
    done = subprocess.run([*mounted, *command], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for step, said in found["unclear"].items():
        console.print(f"  {step}: {said}", markup=False)
    differing = toy.differing(found["results"], toy.results(whole))
    for name in differing:
        console.print(f"  {name} differs")
    return [
        Row("steps in which the disk fills up, of a training and of scoring", len(seconds) + 1, "", at_least=1),
        Row("runs that succeeded all the same", found["succeeded"], ""),
        Row("runs that failed and did not say that the disk is full", len(found["unclear"]), "", at_most=0),
        Row("unfinished files left behind", len(found["left"]), "", at_most=0),
        Row("with room again, outputs of scoring that differ", not found["scored_alike"], "", at_most=0),
        Row("with room again, results that differ from those of an undisturbed run", len(differing), "", at_most=0),
    ]


def main(untrained: str, disk: str, api: str, *steps: str) -> None:
    project, log = toy.copy(Path(untrained), Path(disk) / "project"), Path(disk).with_name("run.log")
    unclear: dict[str, str] = {}
    succeeded = 0
    training = Flow("training", {"use_case": TOY}, project, log, api)
    for step in steps:
        said, code = _filled(training, step)
        succeeded += code == 0
        if code and ("Traceback" in said or not SAID.search(said)):
            unclear[step] = said[-1500:]
    training.run()
    results = toy.results(project)
    toy.write_rows(project / "rows.parquet", SCORED_ROWS)
    first, second = (
        Flow("scoring", {"use_case": TOY, "source": "rows.parquet", "target": target}, project, log, api)
        for target in OUTPUTS
    )
    # Its pages have the whole traceback: a flow that nobody has started by hand has no other reader.
    said, code = _filled(first, "score")
    if not code or not SAID.search(said):
        unclear["score"] = said[-1500:]
    first.run()
    second.run()
    same = len({files.sha256(project / target) for target in OUTPUTS}) == 1
    found = {"succeeded": succeeded, "unclear": unclear, "left": toy.left_files(project), "scored_alike": same}
    print(json.dumps({**found, "results": results}))


def _filled(flow: Flow, step: str) -> tuple[str, int]:
    """What a run says, and its exit code, when the disk fills up at a step. Afterwards there is room again."""
    with flow.begun("begin", step, "fill") as (process, told):
        list(told)
    (flow.project / FILLER).unlink(missing_ok=True)
    return flow.log.read_text(), process.returncode


if __name__ == "__main__":
    main(*sys.argv[1:])
