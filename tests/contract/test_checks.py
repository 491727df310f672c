"""All that can be known to be wrong is said when a command starts: in one sentence, with the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from portfolio.cli.main import main
from portfolio.contract.config import config_path
from portfolio.contract.loading import load_use_case
from portfolio.core.errors import ConfigError
from tests.workspace import SMALL, SMALL_CARD, SMALL_CONFIG, write_use_case

NAME = "small"
REGRESSION = ('Classes("bought", ["no", "yes"])', 'Quantity("bought", 0, 500, unit="EUR")')


def python(*changes: tuple[str, str]) -> Callable[[], object]:
    """What writes the use case with other code."""

    def write() -> None:
        code = SMALL
        for old, new in changes:
            assert old in code
            code = code.replace(old, new)
        write_use_case(NAME, code)

    return write


def config(text: str, *changes: tuple[str, str]) -> Callable[[], object]:
    def write() -> None:
        python(*changes)()
        config_path(NAME).write_text(text)

    return write


def card(text: str) -> Callable[[], object]:
    return lambda: write_use_case(NAME, card=text)


def inputs(declared: str) -> Callable[[], object]:
    return python(('[Number("age", 0, 120), Category("town", ["A", "B"])]', declared))


def params(text: str | None) -> Callable[[], object]:
    def write() -> None:
        write_use_case(NAME)
        Path("params.yaml").unlink()
        if text is not None:
            Path("params.yaml").write_text(text)

    return write


def without(name: str) -> Callable[[], object]:
    return lambda: (write_use_case(NAME) / name).unlink()


def no_config() -> None:
    write_use_case(NAME)
    config_path(NAME).unlink()


WHERE = r"use_cases/small/use_case\.py"
VALUE = "value: {by_hand_yen: 10, check_yen: 4, error_yen: 50"
FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    # The file, and the class in it.
    "a syntax error": (python(("class Small(Table):", "class Small(Table)")), rf"{WHERE}, line 5: SyntaxError"),
    "an error while it is imported": (python(("class Small", "1 / 0\nclass Small")), rf"{WHERE}, line 5: ZeroDivision"),
    "a name that is not offered": (python(("Csv, Image", "Csvv, Image")), rf"{WHERE}, line 2: ImportError.*Csvv"),
    "a declaration with a wrong argument": (
        python(('"age", 0, 120', '"age", mininum=0')),
        rf"{WHERE}: Number\(\"age\"\) has no argument 'mininum': did you mean 'minimum'\?",
    ),
    "a misspelled way in which files are written": (
        python(('key="id"', 'key="id", encodign="cp932"')),
        rf"{WHERE}: Csv has no argument 'encodign': did you mean 'encoding'\?",
    ),
    "an argument that there is not": (
        python(('"age", 0, 120', '"age", colour="red"')),
        rf"{WHERE}: Number\(\"age\"\) has no argument 'colour'\. There are: name, minimum, maximum, unit",
    ),
    "an argument that is missing": (
        python((', ["A", "B"]', "")),
        rf"{WHERE}: Category\(\"town\"\): 'categories' is missing",
    ),
    "a text where a boolean belongs": (
        python(('["no", "yes"]', '["no", "yes"], ordered="by age"')),
        rf"{WHERE}: Classes\(\"bought\"\): ordered must be True or False \(found 'by age'\)",
    ),
    "a text where a list belongs": (
        inputs('[Category("town", "North")]'),
        rf"{WHERE}: Category\(\"town\"\): categories must be a list.*found 'North'\)\. Write categories=\[\"North\"\]",
    ),
    "labels that are one text": (python(('["no", "yes"]', '"no"')), rf"{WHERE}: Classes.*labels must be a list"),
    "a text where a number belongs": (
        inputs('[Number("age", "low", 120)]'),
        rf"{WHERE}: Number\(\"age\"\): minimum must be a number \(found 'low'\)",
    ),
    "a number that can't be": (
        inputs('[Number("age", step=0)]'),
        rf"(?s){WHERE}: Number.*step: must be greater than 0",
    ),
    "slices that are one text": (
        inputs('[Number("age")]\n    slices = "town"'),
        rf"{WHERE}: `slices` must be a list \(found 'town'\)\. Write slices=\[\"town\"\]",
    ),
    "a target that is a text": (
        python(('Classes("bought", ["no", "yes"])', '"bought"')),
        rf"{WHERE}: `target` must be a Classes \(found 'bought'\)",
    ),
    "one input without a list": (inputs('Number("age")'), rf"{WHERE}: `inputs` must be a list \(found"),
    "misspelled inputs": (
        python(("inputs = ", "input = ")),
        rf"{WHERE}: the class Small lacks inputs\..*Did you mean 'inputs' by 'input'",
    ),
    "a misspelled fact": (
        inputs('[Number("age")]\n    metrics = "f1"'),
        rf"{WHERE}: there is no attribute 'metrics' in a Table: did you mean 'metric'\?",
    ),
    "a misspelled method": (
        inputs('[Number("age")]\n\n    def candidate(self):\n        return {}'),
        rf"{WHERE}: there is no attribute 'candidate' in a Table: did you mean 'candidates'\?",
    ),
    "no class": (
        python(("(Table)", "")),
        rf"{WHERE} must define one class derived from Table, Images or Text; it defines 0",
    ),
    "two classes": (
        lambda: write_use_case(NAME, SMALL + SMALL.replace("Small", "Large")),
        rf"{WHERE} must define one class .*; it defines 2",
    ),
    "no target": (
        python(('    target = Classes("bought", ["no", "yes"])\n', "")),
        rf"{WHERE}: the class Small lacks target\. Declare",
    ),
    "nothing declared": (
        lambda: write_use_case(NAME, "from portfolio.contract import Table\n\n\nclass Small(Table):\n    pass\n"),
        rf"{WHERE}: the class Small lacks source, target, inputs",
    ),
    "a source without a day": (
        python((', start="2026-01-05"', "")),
        rf"{WHERE}: A source needs either date=.* or start=",
    ),
    "a start that is no day": (
        python(("2026-01-05", "5 January")),
        rf"{WHERE}: start='5 January' is not a date.*2026-",
    ),
    "an address without a digest": (
        python(('path="rows.csv"', 'url="https://example.org/a.csv"')),
        rf"{WHERE}: Csv needs the sha256= of https://example\.org/a\.csv",
    ),
    # params.yaml
    "not listed": (params("use_cases: [toy]\n"), r"'small' is not in params\.yaml.*`use_cases:`\s+- small"),
    "no list": (params("use_cases:\n"), r"params\.yaml has no list of use cases"),
    "no params.yaml": (params(None), r"There is no params\.yaml in "),
    "a damaged params.yaml": (params("use_cases: ["), r"params\.yaml is not valid YAML"),
    # Its columns
    "no inputs": (inputs("[]"), rf"{WHERE}: `inputs` is empty\. Declare at least one"),
    "an input twice": (inputs('[Number("age"), Number("age")]'), rf"{WHERE}: `inputs` has age twice\. Leave one out"),
    "the target as an input": (inputs('[Number("bought")]'), rf"{WHERE}: 'bought' is the target, which a model must"),
    "the key as an input": (inputs('[Number("id")]'), rf"{WHERE}: 'id' is the key, which a model must not see"),
    "an input that is ignored": (
        inputs('[Number("age")]\n    ignore = ["age"]'),
        rf"{WHERE}: 'age' is both an input and ignored",
    ),
    "a target that is ignored": (
        inputs('[Number("age")]\n    ignore = ["bought"]'),
        rf"{WHERE}: the target 'bought' is ignored\. Take it out",
    ),
    "an input of a name of ours": (inputs('[Number("batch")]'), rf"{WHERE}: the project adds a column 'batch' itself"),
    "a slice of a name of ours": (
        inputs('[Number("age")]\n    slices = ["batch"]'),
        rf"{WHERE}: the project adds a column 'batch' itself .*Rename the one in the data",
    ),
    "a name of the checks": (
        inputs('[Number("check_output")]'),
        rf"{WHERE}: the project adds a column 'check_output' itself .*Rename",
    ),
    "all columns": (inputs('[Number("*")]'), rf"{WHERE}: the column '\*' can't be told from a pattern.*Rename"),
    "a pattern": (inputs('[Number("^a.$")]'), rf"{WHERE}: the column '\^a\.\$' can't be told from a pattern.*Rename"),
    "no range": (inputs('[Number("age", 120, 0)]'), rf"{WHERE}: 'age': the minimum must be less than the maximum"),
    "a category without values": (inputs('[Category("town", [])]'), rf"{WHERE}: 'town': list each category once"),
    "an empty category": (inputs('[Category("town", ["A", ""])]'), rf"{WHERE}: 'town': .*none that is empty.*missing="),
    "a category twice": (inputs('[Category("town", [1, "1"])]'), rf"{WHERE}: 'town': list each category once"),
    # Its target
    "a label twice": (python(('["no", "yes"]', '["no", "no"]')), rf"{WHERE}: the target has the label no twice"),
    "a name twice": (python(('["no", "yes"]', '{0: "no", 1: "no"}')), rf"{WHERE}: the target has the name no twice"),
    "one class": (python(('["no", "yes"]', '["no"]')), rf"{WHERE}: the target needs at least two classes"),
    "a metric that there is not": (
        inputs('[Number("age")]\n    metric = "accurracy"'),
        rf"{WHERE}: there is no metric 'accurracy' for classification\. There are: accuracy, ",
    ),
    "a metric of the other kind": (
        inputs('[Number("age")]\n    metric = "rmse"'),
        rf"{WHERE}: there is no metric 'rmse' for classification",
    ),
    # Its card
    "no card": (without("card.yaml"), r"use_cases/small/card\.yaml is missing\. Write it: title \("),
    "a card that lacks a text": (
        card(SMALL_CARD.replace("problem: Made up.\n", "")),
        r"card\.yaml lacks problem \(whose problem it solves, and how\)",
    ),
    "a card with a typo": (card(SMALL_CARD + "\ntilte: x"), r"card\.yaml: there is no tilte\. There are: title, "),
    # Its config
    "no config": (no_config, r"configs/small\.yaml is missing"),
    "a typo in the config": (
        config(SMALL_CONFIG.replace("accelerator", "acelerator")),
        r"configs/small\.yaml does not fit:\s+train\.acelerator: there is no such key; did you mean 'accelerator'\?",
    ),
    "a misspelled price": (
        config(SMALL_CONFIG.replace("check_yen", "chek_yen")),
        r"value\.chek_yen: there is no such key; did you mean 'check_yen'\?",
    ),
    "a section that there is not": (
        config(SMALL_CONFIG + "colours: {}"),
        r"colours: there is no such key; is it a typo\?",
    ),
    "one number in place of a list": (
        config(SMALL_CONFIG + "network: {hidden: 32}"),
        r"section 'network' does not fit:\s+hidden: must be a list, such as \[32\] \(found 32\)",
    ),
    "a number in place of a section": (config(SMALL_CONFIG + "gate: 3"), r"gate: must hold keys .*\(found 3\)"),
    "an empty config": (config(""), r"configs/small\.yaml must hold at least the prices, such as value: \{by_hand"),
    "a config that is not YAML": (
        config(SMALL_CONFIG + "gate: {\n"),
        r"configs/small\.yaml is not valid YAML in UTF-8 \(line \d, column 1: [^\n^]*\)\. Correct that line\.$",
    ),
    "a card that is not YAML": (
        card(SMALL_CARD + "\ndata: ]"),
        r"card\.yaml is not valid YAML in UTF-8 \(line \d, col",
    ),
    "no prices": (config("train: {}\n"), r"configs/small\.yaml does not fit:\s+value: is missing"),
    "a network's typo": (
        config(SMALL_CONFIG + "network: {hiden: 3}"),
        r"small\.yaml, section 'network'.*hiden: there",
    ),
    "a price of a class that there is not": (
        config("value: {by_hand_yen: 6, check_yen: 2, error_yen: {no: 5, maybe: 9}}"),
        r"configs/small\.yaml: value\.error_yen has a price for 'maybe', which is not one of .*Give one price, or one",
    ),
    "a class without its price": (
        config("value: {by_hand_yen: 6, check_yen: 2, error_yen: {no: 5}}"),
        r"configs/small\.yaml: value\.error_yen has no price for 'yes'",
    ),
    "prices by class for a quantity": (
        config("value: {by_hand_yen: 6, check_yen: 2, error_yen: {low: 5}, tolerance: 5}", REGRESSION),
        r"configs/small\.yaml: value\.error_yen must be one price",
    ),
    "a tolerance for classes": (
        config(f"{VALUE}, tolerance: 1}}"),
        r"value\.tolerance is for quantities.*Leave it out",
    ),
    "no tolerance for a quantity": (
        config(f"{VALUE}}}", REGRESSION),
        r"configs/small\.yaml: value\.tolerance is missing\. Say how far off a bought may be, in EUR",
    ),
    "a study of a key that there is not": (
        config(SMALL_CONFIG + "studies: {capacity: [{network.hiden: [3]}]}"),
        r"configs/small\.yaml: there is no key 'network\.hiden'; did you mean 'network\.hidden'",
    ),
    "an augmentation that there is not": (
        config(SMALL_CONFIG.replace("cpu", "cpu, augment: true")),
        r"configs/small\.yaml: train\.augment: 'small' has no augmentation\. Set it to false, or write the method",
    ),
}


@pytest.mark.parametrize(("plant", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_file_and_the_remedy_and_nothing_is_begun(
    workspace: Path,
    plant: Callable[[], object],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant()
    before = tree(workspace)
    with pytest.raises(ConfigError, match=rf"(?s){message}"):
        load_use_case(NAME)
    monkeypatch.setattr(sys, "argv", ["portfolio", "collect", NAME])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.strip()
    assert said.out == ""
    assert tree(workspace) == before


def tree(folder: Path) -> set[Path]:
    """All files and folders, but for Python's compiled modules."""
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


def test_the_least_that_a_use_case_must_say_is_enough(workspace: Path) -> None:
    write_use_case(NAME)
    case = load_use_case(NAME)
    assert (case.metric, case.title) == ("accuracy", "Made up.")


def test_helpers_of_ones_own_are_allowed(workspace: Path) -> None:
    own = "    towns = 2\n    _slice = []\n\n    def in_yen(self):\n        return 1\n"
    write_use_case(NAME, SMALL.rstrip() + "\n" + own)
    assert load_use_case(NAME).towns == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["2nd", "my-case", "a b"])
def test_a_folder_that_can_be_no_package_is_named(workspace: Path, name: str) -> None:
    write_use_case(name)
    with pytest.raises(ConfigError, match=rf"use_cases/{name}: the folder .*digits and underscores\. Rename it"):
        load_use_case(name)


def test_a_use_case_without_a_folder_is_told_which_there_are(workspace: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no use case 'smal'\. There are: .*toy"):
        load_use_case("smal")


def test_a_folder_that_is_no_repository_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"no use_cases/NAME/use_case\.py in {tmp_path}.*repository's root"):
        load_use_case("toy")


def test_all_faults_of_a_config_are_named_at_once(workspace: Path) -> None:
    write_use_case(NAME, config="value: {by_hand_yen: -1, check_yen: 4}\ntrian: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_use_case(NAME)
    for key in ("value.by_hand_yen", "value.error_yen", "trian"):
        assert key in str(caught.value)
    assert yaml.safe_load(config_path(NAME).read_text())
