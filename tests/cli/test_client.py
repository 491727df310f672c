import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bench.server import portfolio_server
from portfolio.bundle.store import Store
from tests.cli.conftest import output, portfolio, run_main
from tests.profiling.made import workbook
from tests.serving.runtime.test_hot_swap import free_port
from tests.tiny import publish
from tests.workspace import TOY


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("state")
    publish(Store(state / "store" / TOY), state / "bundle", version=1)
    with portfolio_server(state, use_case=TOY) as server:
        yield server.url


CSV = "name,pixels_0,pixels_1,pixels_2,pixels_3\na,1,2,3,4\nb,4,3,2,1\n"


@pytest.mark.parametrize("from_stdin", [True, False])
def test_predictions_are_lines_of_json(address: str, tmp_path: Path, from_stdin: bool) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    file = ["-", "--format", "csv"] if from_stdin else [str(tmp_path / "rows.csv")]
    command = [sys.executable, "-m", "portfolio", "predict", *file, "--url", address]
    result = subprocess.run(command, input=CSV, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "left out: name: the model does not take it\n"
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(answer["row"], answer["class"]) for answer in answers] == [(1, "right"), (2, "left")]


def pictures(folder: Path) -> list[str]:
    """Two pictures as people have them: one that a server takes as it is, and one that it does not."""
    paths = [str(folder / "left.png"), str(folder / "right.tif")]
    for path, box in zip(paths, ((0, 0, 20, 10), (0, 10, 20, 20)), strict=True):
        picture = Image.new("RGB", (20, 20), "white")
        picture.paste((0, 0, 0), box)
        picture.save(path)
    return paths


def test_several_pictures_are_answered_one_by_one_each_with_its_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    files = pictures(Path())
    answers = output(["predict", *files, "--url", address], monkeypatch, capsys).splitlines()
    assert [json.loads(answer)["file"] for answer in answers] == files
    assert all(json.loads(answer)["class"] in ("left", "right") for answer in answers)
    (alone,) = output(["predict", files[1], "--url", address], monkeypatch, capsys).splitlines()
    assert "file" not in json.loads(alone)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = "".join(output(["predict", *files, "--url", address], monkeypatch, capsys).split())
    assert "right.tif" in shown
    Path(files[1]).write_bytes(b"cut")
    said = run_main(["predict", *files, "--url", address], 1, monkeypatch, capsys).err
    assert "right.tif: The picture can't be read as a picture" in " ".join(said.split())


def test_predictions_on_a_terminal_are_a_table(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = output(["predict", str(tmp_path / "rows.csv"), "--url", address], monkeypatch, capsys)
    assert "expected yen" in shown
    assert "right" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "half.csv"], "the inputs pixels_0, pixels_2 are missing"),
        (["predict", "none.csv"], "none.csv can't be read (No such file"),
        (["predict", "."], "with --format: csv, "),
        (["predict", ".", "--format", "csv"], "can't be read (Is a directory"),
        (["predict", "bad.csv"], "Row 2 is refused: pixels.3"),
        (["predict", "phone.HEIC"], "phone.HEIC: The picture is a HEIC or AVIF picture, as some phones write; export"),
        (["predict", "bad.png"], "bad.png: The picture is cut off or damaged; copy it again"),
    ],
)
def test_a_file_that_can_not_be_predicted_is_one_message(
    address: str,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    Path("bad.csv").write_text(CSV.replace("name,", "").replace("a,", "").replace("b,4,3,2,1", "4,3,2,17"))
    Path("half.csv").write_text("pixels_1,pixels_3\n2,4\n")
    Path("bad.png").write_bytes(b"\x89PNG")
    Path("phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heic")
    assert message in run_main([*arguments, "--url", address], 1, monkeypatch, capsys).err


DECLARED = """
from portfolio.contract import Classes, Csv, Image, Images

class Toy(Images):
    source = Csv(path="rows.csv", start="2026-01-01", separator=";", decimal=",", thousands=".", skip_rows=1)
    target = Classes("side", ["left", "right"])
    inputs = [Image("pixels", 2, 2, 16)]
"""


@pytest.mark.parametrize("name", ["rows.csv", "rows.txt", "rows.csv.gz", "rows.xlsx"])
def test_a_file_is_read_as_its_use_case_declares(
    address: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("use_cases", TOY).mkdir(parents=True)
    Path("use_cases", TOY, "use_case.py").write_text(DECLARED)
    text = "of 2026;;;;\n" + CSV.replace(",", ";").replace("a;1;2;3;4", "a;1,5;2,25;3;4")
    if name.endswith(".xlsx"):
        cells = [line.split(";") for line in text.replace(",", ".").splitlines()]
        numbers = [[*row[:1], *map(float, row[1:])] for row in cells[2:]]
        workbook(Path(name), {}, {"rows": [*cells[:2], *numbers]})
    else:
        Path(name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    answers = [
        json.loads(line) for line in output(["predict", name, "--url", address], monkeypatch, capsys).splitlines()
    ]
    Path("same.json").write_text('[{"pixels": [1.5, 2.25, 3, 4]}, {"pixels": [4, 3, 2, 1]}]')
    same = output(["predict", "same.json", "--url", address], monkeypatch, capsys).splitlines()
    assert [answer["probabilities"] for answer in answers] == [json.loads(line)["probabilities"] for line in same]


def test_a_workbook_can_not_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run_main(["predict", "-", "--format", "xlsx"], 1, monkeypatch, capsys).err
    assert "Save it as a file" in " ".join(said.split())


def test_a_load_is_told_as_json_and_as_a_table(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steady = ["load", address, "--rate", "100", "--seconds", "0.5", "--connections", "4", "--rows", "2"]
    found = json.loads(output([*steady, "--json"], monkeypatch, capsys))
    assert (found["good"], found["by_status"]) == (50, {"200": 50})
    assert "p99 ms" in output(steady, monkeypatch, capsys)


def test_a_server_on_this_machine_is_asked_without_the_proxy(address: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    proxy = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    command = [sys.executable, "-m", "portfolio", "predict", str(tmp_path / "rows.csv")]
    result = subprocess.run([*command, "--url", address], env=os.environ | proxy, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1"])
@pytest.mark.parametrize("command", [["load"], ["smoke"], ["predict", "rows.csv", "--url"]])
def test_what_is_no_address_is_one_message(
    command: list[str],
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(CSV)
    said = run_main([*command, url], 1, monkeypatch, capsys).err
    assert "is not the address of a server" in " ".join(said.split())


def test_a_load_without_good_answers_ends_with_1(address: str) -> None:
    result = portfolio("load", address, "--rate", "100", "--seconds", "0.1", "--rows", "1001", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["by_status"] == {"422": 10}


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://127.0.0.1:1"])
def test_a_proxy_that_can_not_be_used_is_one_message(proxy: str) -> None:
    command = [sys.executable, "-m", "portfolio", "smoke", "http://server.invalid", "--timeout-seconds", "0"]
    result = subprocess.run(command, env=os.environ | {"all_proxy": proxy}, capture_output=True, text=True)
    assert result.returncode == 1
    assert "proxy of this environment can't be used" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_without_a_server_it_says_how_to_start_one_and_how_to_name_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    arguments = ["predict", str(tmp_path / "rows.csv"), "--url", f"http://127.0.0.1:{free_port()}"]
    said = run_main(arguments, 1, monkeypatch, capsys).err
    assert "portfolio serve NAME" in said
    assert "--url" in said


def test_an_address_in_place_of_a_file_is_taken_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    arguments = ["predict", str(tmp_path / "rows.csv"), "http://127.0.0.1:8123"]
    assert "Then say --url http://127.0.0.1:8123" in run_main(arguments, 1, monkeypatch, capsys).err
