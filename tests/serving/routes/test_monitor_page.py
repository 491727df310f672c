"""The operator's page in a real browser, before a real server."""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portfolio.bundle.bundle import Bundle
from portfolio.monitoring.looks import Event, Looks
from tests.serving.conftest import table_bundle
from tests.serving.routes.conftest import NAMELESS, PALE, PHONE, Visit, needs_chromium, publish, ready, rents
from tests.serving.routes.test_monitor import look
from tests.tiny import CAREFUL, tiny_bundle
from tests.workspace import TOY

pytestmark = needs_chromium


def all_audited(bundle: Bundle) -> Bundle:
    """The same bundle, every answer of which is audited."""
    policy = bundle.manifest.policy or CAREFUL
    manifest = bundle.manifest.model_copy(update={"policy": policy.model_copy(update={"audit_share": 1.0})})
    bundle.manifest = manifest
    return bundle


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two-by-two images, told to be "left" or "right"."""
    publish(all_audited(tiny_bundle(tmp_path / "one", version=1)), tmp_path / "state")
    return tmp_path / "state"


def post(address: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}{path}") as answer:
        return json.load(answer)


def asked(address: str, rows: list[dict[str, Any]]) -> None:
    """Have these rows answered, one request each, and wait until they wait for a label."""
    for row in rows:
        post(address, "/predict", {"instances": [row]})
    deadline = time.monotonic() + 10
    while get(address, "/monitor/queue")["waiting"] < len(rows):
        assert time.monotonic() < deadline


def seen(state: Path, address: str, name: str = TOY) -> None:
    """A drift, harm, and another version."""
    looks = Looks(f"sqlite:///{state / 'log' / f'{name}.db'}")
    digest = get(address, "/model")["digest"]
    for hours_ago, verdict in ((6, "healthy"), (5, "warn"), (4, "harmful")):
        looks.add(look("e" * 64, hours_ago, verdict=verdict))
    looks.add_event(Event("retraining", 1))
    looks.add_event(Event("quarantined", figures={"batch": "2026-01-05", "rows": 9, "reason": "range"}))
    looks.add(look(digest, 1, model_version=2))
    looks.close()


def labels(state: Path) -> list[str]:
    from tests.monitoring.test_prediction_log import rows

    return [json.loads(row["label"]) for row in rows(f"sqlite:///{state / 'log' / f'{TOY}.db'}", "feedback")]


def test_before_the_first_look_the_page_says_what_to_do(state: Path, visit: Visit) -> None:
    with visit.served(state, TOY) as address:
        page = ready(visit(f"{address}/monitor"))
        expect(page.locator("#none code")).to_have_text([f"portfolio monitor {TOY}", f"portfolio live {TOY}"])
        expect(page.locator("#none")).not_to_contain_text("`")
        expect(page.locator("#found")).to_be_hidden()
        expect(page.locator("svg.plot")).to_have_count(0)
        expect(page.locator("#queue-hint")).to_have_text("No answer is waiting for a label.")
        # What comes while the page is open is shown without a reload.
        looks = Looks(f"sqlite:///{state / 'log' / f'{TOY}.db'}")
        looks.add(look(get(address, "/model")["digest"], 2, verdict="harmful"))
        looks.close()
        expect(page.locator("#todo code")).to_have_text(f"portfolio run {TOY}")
        seen(state, address)
        expect(page.locator("#verdict-name")).to_have_text("Warning")
        page.get_by_role("link", name="Try the model").click()
        expect(page.get_by_role("link", name="Monitor")).to_be_visible()


def test_the_verdict_its_figures_over_time_the_drift_and_what_happened(state: Path, visit: Visit) -> None:
    with visit.served(state, TOY) as address:
        seen(state, address)
        page = ready(visit(f"{address}/monitor"))
        expect(page.locator("#verdict-name")).to_have_text("Warning")
        expect(page.locator("#todo")).to_contain_text("Look into the reasons")
        expect(page.locator("#reasons li")).to_have_count(1)
        expect(page.locator("#figures")).to_contain_text("estimated without labels (3.7 to 3.9)")
        expect(page.locator("#window")).to_contain_text("Version 2: 100 answers and 5 labels")
        value = page.get_by_role("img", name=re.compile("Value in yen"))
        expect(value).to_have_attribute(
            "aria-label",
            re.compile(
                r"4 looks from .*Last promised: 4\. Last estimated without labels: 3\.8 \(3\.7 to 3\.9\)\..*harm"
            ),
        )
        # A line for each version in turn.
        expect(value.locator("polyline.estimated")).to_have_count(2)
        expect(value.locator("g.event")).to_have_count(7)
        quality = page.get_by_role("img", name=re.compile("^accuracy: 4 looks"))
        expect(quality.locator("polyline.seen")).to_have_count(2)
        expect(quality.locator("polyline.estimated")).to_have_count(0)
        drifted = page.locator("#drift tr.drifted")
        expect(drifted).to_have_count(2)
        expect(drifted.first).to_have_text(re.compile(r"pixels: brightness drift\s*0\.5\s*median\s*0\.2\s*0\.4"))
        expect(drifted.last).to_have_text(re.compile(r"answer drift\s*0\.5\s*share of left\s*50%\s*25%"))
        expect(page.locator("#drift")).to_contain_text("share of missing values")
        expect(page.locator("#events li")).to_have_count(7)
        expect(page.locator("#events")).to_contain_text("batch 2026-01-05 was quarantined")
        page.locator("#value summary").click()
        expect(page.locator("#value tr").nth(1)).to_contain_text("3.8 (3.7 to 3.9)")
        page.get_by_role("button", name="日本語").click()
        expect(page.locator("#verdict-name")).to_have_text("注意")
        expect(page.locator("#events")).to_contain_text("損害を検出")
        expect(page.get_by_role("img", name=re.compile("1,000件あたりの価値"))).to_be_visible()


def test_what_happened_long_ago_is_listed_and_does_not_squeeze_the_plots(state: Path, visit: Visit) -> None:
    """Each look is shown for a week, and what happened for longer."""
    with visit.served(state, TOY) as address:
        looks = Looks(f"sqlite:///{state / 'log' / f'{TOY}.db'}")
        looks.add(*(look(get(address, "/model")["digest"], hours_ago) for hours_ago in range(1, 25)))
        for weeks in range(1, 53):
            looks.add_event(Event("retraining", 1, at=datetime.now(UTC) - timedelta(weeks=weeks)))
        looks.add_event(Event("refused", 1, at=datetime.now(UTC) - timedelta(hours=2)))
        looks.close()
        page = ready(visit(f"{address}/monitor"))
        expect(page.locator("#events .retraining")).to_have_count(52)
        value = page.get_by_role("img", name=re.compile("Value in yen"))
        expect(value.locator("g.event.refused")).to_have_count(1)
        expect(value.locator("g.event.retraining")).to_have_count(0)
        assert "retraining" not in (value.get_attribute("aria-label") or "").lower()
        (first, *_, last) = [float(dot.get_attribute("cx") or 0) for dot in value.locator("circle.dot.estimated").all()]
        box = value.bounding_box()
        assert box is not None
        assert last - first > 0.3 * box["width"]


def test_a_picture_is_labelled_with_a_click_or_a_key_and_the_next_one_comes(state: Path, visit: Visit) -> None:
    with visit.served(state, TOY) as address:
        asked(address, [{"pixels": [16, 16, 0, 0]}, {"pixels": [0, 0, 16, 16]}, {"pixels": [8, 8, 8, 8]}])
        page = ready(visit(f"{address}/monitor"))
        expect(page.locator("#queue-heading")).to_have_text("Labels wanted: 3")
        assert ink(page) == [255, 255, 0, 0]
        expect(page.locator("#asked")).not_to_contain_text(re.compile("machine|sure"))
        page.keyboard.press("1")
        expect(page.locator("#thanks")).to_have_text("Stored: left. The answer was right.")
        expect(page.locator("#queue-heading")).to_have_text("Labels wanted: 2")
        assert ink(page) == [0, 0, 255, 255]
        page.get_by_role("button", name="Later").click()
        assert ink(page) == [128, 128, 128, 128]
        page.get_by_role("button", name="left").click()
        expect(page.locator("#queue-heading")).to_have_text("Labels wanted: 1")
        assert ink(page) == [0, 0, 255, 255]
        page.keyboard.press("2")
        expect(page.locator("#queue-heading")).to_have_text("Labels wanted: 0")
        expect(page.locator("#asked")).to_be_hidden()
        assert sorted(labels(state)) == ["left", "left", "right"]


def ink(page: Page) -> list[int]:
    """How dark each quarter of the picture is drawn."""
    found: list[int] = page.evaluate(
        """() => {
          const { width, height } = document.querySelector("canvas.logged");
          const context = document.querySelector("canvas.logged").getContext("2d");
          const { data } = context.getImageData(0, 0, width, height);
          const at = (x, y) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width)) + 3];
          return [at(0.25, 0.25), at(0.75, 0.25), at(0.25, 0.75), at(0.75, 0.75)];
        }"""
    )
    return found


def test_what_somebody_else_has_labelled_goes(state: Path, visit: Visit) -> None:
    with visit.served(state, TOY) as address:
        asked(address, [{"pixels": [16, 16, 0, 0]}])
        page = ready(visit(f"{address}/monitor"))
        (row,) = get(address, "/monitor/queue")["rows"]
        post(address, "/feedback", {"request_id": row["request_id"], "label": "left"})
        page.get_by_role("button", name="right").click()
        expect(page.locator("#queue-heading")).to_have_text("Labels wanted: 0")
        expect(page.locator("#asked")).to_be_hidden()
        assert labels(state) == ["left"]
    assert all("409" in fault for fault in visit.faults)
    visit.faults.clear()


def test_a_row_of_a_table_is_shown_as_a_list(tmp_path: Path, visit: Visit) -> None:
    state = tmp_path / "state"
    publish(all_audited(table_bundle(tmp_path / "table")), state)
    with visit.served(state, TOY) as address:
        asked(address, [{"age": None, "town": "B", "note": "a <b>fine</b> day"}])
        page = ready(visit(f"{address}/monitor", **PHONE))
        expect(page.locator("#asked-inputs dl")).to_have_text(re.compile(r"age\s*missing\s*town\s*B"))
        expect(page.locator("#asked-inputs blockquote")).to_have_text("a <b>fine</b> day")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(NAMELESS) == []


def test_a_value_is_a_number_that_is_typed(tmp_path: Path, visit: Visit) -> None:
    state = tmp_path / "state"
    publish(all_audited(rents(tmp_path / "rents")), state)
    with visit.served(state, "rents") as address:
        asked(address, [{"rooms": 2}, {"rooms": 8}])
        page = ready(visit(f"{address}/monitor", locale="en-US"))
        expect(page.locator("#asked-inputs dl")).to_have_text(re.compile(r"rooms\s*2"))
        page.get_by_role("spinbutton", name="What is the true value?").fill("210")
        # The page looks for news meanwhile, and leaves what is typed alone.
        with page.expect_response("**/monitor/queue"):
            pass
        page.keyboard.press("Enter")
        expect(page.locator("#thanks")).to_have_text("Stored: $210. The answer was right.")
        expect(page.locator("#asked-inputs dl")).to_have_text(re.compile(r"rooms\s*8"))
        page.get_by_role("spinbutton", name="What is the true value?").fill("1200.5")
        page.keyboard.press("Enter")
        expect(page.locator("#thanks")).to_contain_text("Stored: $1,200.50.")


def test_a_number_is_shown_to_whoever_labels_it_with_all_its_digits(tmp_path: Path, visit: Visit) -> None:
    state = tmp_path / "state"
    publish(all_audited(rents(tmp_path / "rents")), state)
    with visit.served(state, "rents") as address:
        asked(address, [{"rooms": 7.00125}])
        page = ready(visit(f"{address}/monitor", locale="en-US"))
        expect(page.locator("#asked-inputs dl")).to_have_text(re.compile(r"rooms\s*7\.00125"))


def test_text_is_legible_and_fits_a_phone_and_paper(state: Path, visit: Visit) -> None:
    with visit.served(state, TOY) as address:
        seen(state, address)
        asked(address, [{"pixels": [16, 16, 0, 0]}])
        for scheme in ("light", "dark"):
            page = ready(visit(f"{address}/monitor", color_scheme=scheme, **PHONE))
            assert page.evaluate(PALE) == []
            assert page.evaluate(NAMELESS) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # Dark on white, also where the page is light on dark.
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(21, 26, 45)"
        expect(page.locator("#queue")).to_be_hidden()
        expect(page.locator("#events li").last).to_be_visible()


def test_the_key_is_an_administrators(state: Path, visit: Visit) -> None:
    keys = {
        f"SERVING_{kind}_KEYS": hashlib.sha256(key.encode()).hexdigest()
        for kind, key in (("API", "user"), ("ADMIN", "admin"))
    }
    with visit.served(state, TOY, **keys) as address:
        page = visit(f"{address}/monitor")
        expect(page.locator("#key")).to_contain_text("an administrator's key")
        for key in ("user", "admin"):
            page.get_by_role("textbox", name="Key").fill(key)
            page.get_by_role("button", name="Continue").click()
        ready(page)
        expect(page.locator("#none")).to_be_visible()
    assert all("401" in fault for fault in visit.faults)
    visit.faults.clear()


def test_an_audited_answer_says_so_where_one_tries_the_model(tmp_path: Path, visit: Visit) -> None:
    state = tmp_path / "state"
    publish(all_audited(rents(tmp_path / "rents")), state)
    with visit.served(state, "rents") as address:
        page = ready(visit(address))
        page.get_by_label("rooms").fill("2")
        expect(page.locator("#by")).to_have_text("Answered by the machine")
        expect(page.locator("#audit")).to_contain_text("a person is asked for the true label too")
        page.get_by_label("rooms").fill("8")
        expect(page.locator("#by")).to_have_text("Checked by a person")
        expect(page.locator("#audit")).to_be_hidden()
