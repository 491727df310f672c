import re
import sys
from pathlib import Path

import pytest

from portfolio.bundle.store import Store
from portfolio.cli.main import main
from tests.cli.conftest import output
from tests.tiny import publish


def test_a_version_is_pinned_and_let_go(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.of("toy")
    digests = {version: publish(store, workspace / str(version), version=version, bias=version) for version in (1, 2)}
    assert digests[1][:12] in output(["pin", "toy", "1"], monkeypatch, capsys)
    assert served(store) == 1
    assert "champion" in output(["unpin", "toy"], monkeypatch, capsys)
    assert served(store) == 2


def served(store: Store) -> int:
    found = store.served()
    assert found is not None
    return found.model_version


@pytest.mark.parametrize("command", ["pin", "shadow"])
def test_a_version_that_is_nowhere_is_told_with_those_of_the_store(
    command: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish(Store.of("toy"), workspace / "one", version=1)
    monkeypatch.setattr(sys, "argv", ["portfolio", command, "toy", "99"])
    with pytest.raises(SystemExit):
        main()
    assert re.search(r"no version 99. There are: \w{12} \(version 1\)", " ".join(capsys.readouterr().err.split()))


def test_a_shadow_is_set_and_ended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.of("toy")
    for version in (1, 2):
        publish(store, workspace / str(version), version=version, bias=version)
    assert "25%" in output(["shadow", "toy", "1", "--share", "0.25"], monkeypatch, capsys)
    shadow = store.shadow()
    assert shadow is not None
    assert (shadow.model_version, shadow.share) == (1, 0.25)
    assert "no shadow" in output(["shadow", "toy", "1", "--share", "0"], monkeypatch, capsys)
    assert store.shadow() is None


def test_a_bundle_is_pinned_by_its_digest(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.of("toy")
    digests = [publish(store, workspace / str(bias), version=1, bias=bias) for bias in (0.0, 1.0)]
    assert digests[0][:12] in output(["pin", "toy", digests[0][:8]], monkeypatch, capsys)
    found = store.served()
    assert found is not None
    assert found.digest == digests[0]


@pytest.mark.parametrize("reference", ["abc", "one", "-1", "d00fcd8x"])
def test_what_is_neither_a_number_nor_a_digest_is_refused(
    reference: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["portfolio", "pin", "toy", "--", reference])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "neither a version's number nor" in " ".join(capsys.readouterr().err.replace("│", " ").split())
