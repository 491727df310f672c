import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from portfolio.core import files
from portfolio.core.errors import DataError


def test_a_file_is_replaced_and_readable_by_others(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "file"
    files.write_text(target, "one")
    files.write_text(target, "two")
    assert target.read_text() == "two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def write_half() -> None:
        with files.replaced(target) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with files.replaced(target) as partial:
        partial.write_text("new, but not done yet")
        assert target.read_text() == "old"
    assert target.read_text() == "new, but not done yet"


def test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("first", "second"):
        with files.replaced_folder(target) as partial:
            (partial / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("old")

    def write_half() -> None:
        with files.replaced_folder(target) as partial:
            (partial / "half").write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2's own example.
    assert files.sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_full_disk_is_told_by_its_number_and_the_files_name_whoever_wrote(tmp_path: Path) -> None:
    """Polars has an exception of its own, with the number in its text."""

    class ComputeError(Exception):
        pass

    for error in (
        ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
        OSError("No space left on device (os error 28)"),
        OSError(28, "No space left on device"),
    ):
        for replaced in (files.replaced, files.replaced_folder):
            with pytest.raises(OSError, match="No space left on device") as caught, replaced(tmp_path / "target"):
                raise error
            assert caught.value.errno == 28
            assert caught.value.filename == str(tmp_path / "target")


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    for error in (ValueError("nonsense"), DataError("can't be read (os error 5)"), FileNotFoundError(2, "no", "other")):
        with pytest.raises(type(error)) as caught, files.replaced(tmp_path / "target"):
            raise error
        assert caught.value is error


HOLD = """
import signal, sys
from pathlib import Path
from portfolio.core import files

with files.alone(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_lock_is_waited_for_and_ends_with_its_process_however_that_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "locks" / "one.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with ExitStack() as ended:

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            # Also where an assertion fails, or the test would wait for it forever.
            ended.callback(process.communicate)
            ended.callback(process.kill)
            return process

        first = start()
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second = start()
        assert second.stdout is not None
        assert second.stderr is not None
        assert f"waiting for process {first.pid}" in second.stderr.readline()
        first.kill()
        assert second.stdout.readline() == "held\n"
        assert files.is_held(path)
    assert not files.is_held(path)
    with files.alone(path):
        pass
    assert capsys.readouterr().err == ""
