"""The page in a real browser, before a real server: what one sees, does, and is told.

It needs the machine's own Chromium; none is downloaded.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from playwright.sync_api import FilePayload, Page, expect

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.graph import constant_graph
from portfolio.bundle.manifest import InputField, Output, Reference
from portfolio.contract.fields import Date
from tests.pictures import sign
from tests.serving.conftest import best_bundle
from tests.serving.routes.conftest import (
    NAMELESS,
    PALE,
    PHONE,
    Visit,
    made,
    needs_chromium,
    publish,
    ready,
    rents,
    served,
)
from tests.workspace import ROOT, SHAPES, SIGNS, TOY

pytestmark = needs_chromium

Points = list[tuple[float, float]]
# Strokes in shares of the paper.
ELL: Points = [(0.3, 0.2), (0.3, 0.8), (0.7, 0.8)]
RING: Points = [(0.5, 0.2), (0.33, 0.3), (0.28, 0.5), (0.33, 0.7), (0.5, 0.8), (0.67, 0.7), (0.72, 0.5), (0.67, 0.3)]
RING = [*RING, RING[0]]


# Servers


@pytest.fixture(scope="module")
def shapes_state(shapes: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("state")
    publish(shapes, state)
    return state


@pytest.fixture(scope="module")
def drawable(shapes_state: Path) -> Iterator[str]:
    """Shapes to draw on paper, with a key for each class."""
    with served(shapes_state, SHAPES) as address:
        yield address


@pytest.fixture(scope="module")
def toy(built_once: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The toy use case: a number that may be missing, and a category."""
    state = tmp_path_factory.mktemp("state")
    publish(best_bundle(built_once(TOY), TOY), state)
    with served(state, TOY) as address:
        yield address


def moods(folder: Path) -> Bundle:
    """Texts: each 楽 and each + speaks for "good", each - for "bad"."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "Tokenizer",
                ["input_0"],
                ["characters"],
                domain="com.microsoft",
                mark=0,
                mincharnum=1,
                pad_value="",
                separators=[""],
            ),
            helper.make_node(
                "LabelEncoder",
                ["characters"],
                ["weights"],
                domain="ai.onnx.ml",
                keys_strings=["楽", "+", "-"],
                values_floats=[2.0, 1.0, -1.0],
                default_float=0.0,
            ),
            helper.make_node("ReduceSum", ["weights", "axes"], ["sum"], keepdims=0),
            helper.make_node("Neg", ["sum"], ["negative"]),
            helper.make_node("Concat", ["negative", "sum"], ["logits"], axis=1),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "moods",
        [helper.make_tensor_value_info("input_0", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.array([2], dtype=np.int64), "axes")],
    )
    good = float(1 / (1 + np.exp(-4)))
    return made(
        folder,
        graph,
        use_case="moods",
        inputs=(InputField(name="text", kind="text", description="a remark", example="楽 that was +"),),
        output=Output(task="classification", name="mood", classes=("bad", "good")),
        reference={"text": Reference(edges=(10,), shares=(0.5, 0.5), missing_share=0)},
        golden_inputs={"text": ["++", "--"]},
        golden_outputs=[[1 - good, good], [good, 1 - good]],
    )


def draw(page: Page, points: Points) -> None:
    """With the mouse, button down."""
    box = page.locator(".paper canvas").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def touch(page: Page, points: Points) -> None:
    """With a finger."""
    page.locator(".paper canvas").scroll_into_view_if_needed()
    box = page.locator(".paper canvas").bounding_box()
    assert box is not None
    fingers = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers[:1]})
    for finger in fingers[1:]:
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [finger]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def stats(address: str) -> Any:
    with urllib.request.urlopen(f"{address}/stats") as answer:
        return json.load(answer)


def answered(page: Page) -> None:
    """Wait for the answer to the input as it is."""
    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")


@pytest.fixture(scope="module")
def signs(built_once: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Signs in colour, on photos."""
    state = tmp_path_factory.mktemp("state")
    publish(best_bundle(built_once(SIGNS), SIGNS), state)
    with served(state, SIGNS) as address:
        yield address


# What one does


def test_draw_a_shape_get_its_class_give_feedback_and_see_it_counted(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    before = stats(drawable)
    expect(page.locator("#live-feedback")).to_have_text(str(int(before["feedback"])))
    draw(page, ELL)
    expect(page.locator("#top")).to_have_text("L")
    answered(page)
    expect(page.locator("#spoken")).to_contain_text("shape: L.")
    expect(page.locator(".bars .best .label")).to_have_text("L")
    assert page.locator(".bars li").count() == 3
    expect(page.locator("#by")).to_have_text("Answered by the machine")
    expect(page.locator("#yen")).to_contain_text("yen")
    expect(page.locator("#explanation canvas").last).to_have_attribute(
        "aria-label", re.compile("8 by 8 pixels.* are evidence for L")
    )
    page.get_by_role("button", name="L", exact=True).click()
    expect(page.locator("#thanks")).to_have_text("Stored: L. The answer was right.")
    expect(page.locator("#live-feedback")).to_have_text(str(int(before["feedback"]) + 1))
    assert stats(drawable)["feedback_right"] == before["feedback_right"] + 1
    # An answer has one label.
    expect(page.get_by_role("button", name="O", exact=True)).to_be_disabled()


def test_a_finger_draws_on_a_phone(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, **PHONE))
    touch(page, RING)
    expect(page.locator("#top")).to_have_text("O")
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("scrollY") < 400  # the page has not scrolled under the finger
    small = page.evaluate(
        "[...document.querySelectorAll('button, select')].filter((e) => e.offsetParent && e.offsetHeight < 38).length"
    )
    assert small == 0


def test_all_of_it_by_keyboard(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".paper canvas")).to_be_focused()
    expect(page.locator(".pen")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    expect(page.get_by_text("Pen down")).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#top")).to_have_text("I")
    answered(page)
    page.keyboard.press("I")
    expect(page.locator("#thanks")).to_contain_text("Stored: I")
    page.get_by_role("button", name="Clear").press("Enter")
    expect(page.locator("#result")).to_be_hidden()


def test_the_example_goes_pixel_by_pixel_and_a_drawing_begins_on_clean_paper(
    drawable: str, shapes: Bundle, visit: Visit
) -> None:
    page = ready(visit(drawable))
    (field,) = shapes.manifest.inputs
    example = np.array([field.example], dtype=np.float32)
    (probabilities,) = shapes.predict({field.name: example})
    with page.expect_request("**/predict?**") as sent:
        page.get_by_role("button", name="Use an example").click()
    assert sent.value.post_data_json["instances"] == [{field.name: field.example}]
    expect(page.locator("#top")).to_have_text(shapes.manifest.output.classes[probabilities.argmax()])
    answered(page)
    with page.expect_request("**/predict?**") as sent:
        draw(page, ELL)
    assert sent.value.headers["content-type"] == "image/png"
    expect(page.locator("#top")).to_have_text("L")


SLOW = """
window.most = 0;
let now = 0;
const plain = window.fetch;
window.fetch = async (path, options) => {
  if (!path.startsWith("predict")) return plain(path, options);
  window.most = Math.max(window.most, ++now);
  await new Promise((go) => setTimeout(go, 400));
  try {
    return await plain(path, options);
  } finally {
    now--;
  }
};
const seen = (window.seen = []);
addEventListener("DOMContentLoaded", () => {
  const top = document.getElementById("top");
  new MutationObserver(() => seen.push(top.textContent)).observe(top, { childList: true });
});
"""


def test_one_request_at_a_time_and_no_stale_answer(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, script=SLOW))
    draw(page, RING)
    page.wait_for_timeout(250)  # now it is under way
    page.get_by_role("button", name="Clear").click()
    draw(page, ELL)
    expect(page.locator("#top")).to_have_text("L")
    answered(page)
    assert page.evaluate("window.seen") == ["L"]
    assert page.evaluate("window.most") == 1


def test_a_pen_that_only_touches_the_paper_leaves_a_dot(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    with page.expect_response(lambda response: "/predict" in response.url) as answer:
        draw(page, [(0.3, 0.2)])
    assert answer.value.status == 200


def test_what_is_still_being_drawn_does_not_count(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    page.clock.install()
    before = stats(drawable)["predictions"]
    for part in (ELL[:2], ELL[1:]):
        draw(page, part)
        page.clock.run_for(200)
        answered(page)
    assert stats(drawable)["predictions"] == before
    with page.expect_response(lambda response: response.url.endswith("/predict?explain=true")):
        page.clock.run_for(1000)
    assert stats(drawable)["predictions"] == before + 1


def test_feedback_waits_for_the_answer_to_what_is_drawn(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, script=SLOW))
    draw(page, RING)
    answered(page)
    before = stats(drawable)["feedback"]
    draw(page, [(0.4, 0.5), (0.6, 0.5)])
    expect(page.get_by_role("button", name="O", exact=True)).to_be_disabled()
    page.keyboard.press("O")
    answered(page)
    expect(page.get_by_role("button", name="O", exact=True)).to_be_enabled()
    assert stats(drawable)["feedback"] == before


# How it looks


def test_japanese_by_the_browsers_language_and_by_choice(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, locale="ja-JP"))
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("h1")).to_have_text("手書きの図形")
    draw(page, ELL)
    expect(page.locator("#by")).to_have_text("機械が回答")
    answered(page)
    expect(page.locator("#spoken")).to_contain_text("図形：L。")  # noqa: RUF001
    page.get_by_role("button", name="English").click()
    expect(page.locator("#by")).to_have_text("Answered by the machine")
    expect(page.locator("#top")).to_have_text("L")
    page.reload()
    ready(page)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    left = page.evaluate("document.body.innerText.match(/[\\u3040-\\u30ff\\u4e00-\\u9fff]+/g)")
    assert left == ["日本語"]


def test_dark_by_the_system_and_by_choice(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, color_scheme="dark"))
    assert luminance(page, "backgroundColor") < 0.2 < 0.6 < luminance(page, "color")
    page.get_by_role("button", name="Switch to Light mode").click()
    assert luminance(page, "color") < 0.2 < 0.6 < luminance(page, "backgroundColor")
    page.reload()
    ready(page)
    assert luminance(page, "backgroundColor") > 0.6
    page.get_by_role("button", name="Switch to Dark mode").click()
    assert luminance(page, "backgroundColor") < 0.2


def luminance(page: Page, style: str) -> float:
    colour = page.evaluate(f"getComputedStyle(document.body).{style}.match(/\\d+/g).map(Number)")
    return float(np.dot([0.2126, 0.7152, 0.0722], colour[:3]) / 255)


def test_text_is_legible_and_controls_have_names(drawable: str, visit: Visit) -> None:
    """Contrast by WCAG 2, of all text, in both themes."""
    for scheme in ("light", "dark"):
        page = ready(visit(drawable, color_scheme=scheme))
        draw(page, ELL)
        answered(page)
        assert page.evaluate(PALE) == []
        assert page.evaluate(NAMELESS) == []


# Photos


def photo_file(size: tuple[int, int], form: str, name: str) -> FilePayload:
    stream = io.BytesIO()
    sign("circle", 5, size).save(stream, form)
    return {"name": name, "mimeType": f"image/{form.lower()}", "buffer": stream.getvalue()}


# The sizes of the files that the page sends, which the browser does not tell.
SENT = """
window.sent = [];
const plain = window.fetch;
window.fetch = (path, options) => {
  if (options?.body instanceof Blob) window.sent.push(options.body.size);
  return plain(path, options);
};
"""


def test_a_photo_is_chosen_shown_and_answered(signs: str, visit: Visit) -> None:
    page = ready(visit(signs, script=SENT))
    expect(page.locator("#input-heading")).to_have_text("Choose a picture")
    expect(page.locator("label.photo")).to_contain_text("drop one here")
    expect(page.locator(".fields .hint, #fields .hint")).to_contain_text("16 × 16 pixels")  # noqa: RUF001
    assert page.locator(".paper").count() == 0
    # Exactly as it is; then what the server does not take, and what is too large for it.
    for file in (
        photo_file((48, 40), "PNG", "small.png"),
        photo_file((48, 40), "BMP", "small.bmp"),
        photo_file((3000, 2000), "JPEG", "camera.jpg"),
    ):
        with page.expect_response(re.compile("/predict")):
            page.get_by_label("Choose a file for the picture").set_input_files(file)
        expect(page.get_by_role("img", name="Your picture: the picture")).to_be_visible()
        answered(page)
        sent = page.evaluate("sent.at(-1)")
        assert 0 < sent <= 1024 * 1024
        assert (sent == len(file["buffer"])) == (file["name"] == "small.png")
    expect(page.locator("#explanation canvas")).to_have_count(2)
    expect(page.locator("#explanation")).to_contain_text("Each small square was greyed out")
    expect(page.locator("#explanation canvas").last).to_have_attribute("aria-label", re.compile("16 by 16 pixels"))
    assert page.evaluate(PALE) == []
    assert page.evaluate(NAMELESS) == []
    # What the model saw is in colour.
    assert page.evaluate(SATURATION) > 60
    page.get_by_role("button", name="square").click()
    expect(page.locator("#thanks")).to_contain_text("Stored: square.")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#result")).to_be_hidden()
    expect(page.get_by_role("img", name="Your picture: the picture")).to_be_hidden()
    page.get_by_role("button", name="Use an example").click()
    answered(page)
    expect(page.get_by_role("img", name="Your picture: the picture")).to_be_visible()


SATURATION = """() => {
  const canvas = document.querySelector("#explanation canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let most = 0;
  for (let at = 0; at < data.length; at += 4) {
    const pixel = data.slice(at, at + 3);
    most = Math.max(most, Math.max(...pixel) - Math.min(...pixel));
  }
  return most;
}"""


def test_a_photo_is_dropped_and_what_is_none_is_told(signs: str, visit: Visit) -> None:
    page = ready(visit(signs, locale="ja-JP"))
    content = b64encode(photo_file((48, 40), "JPEG", "a.jpg")["buffer"]).decode()
    drop = """([content, name, type]) => {
      const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name, { type }));
      for (const kind of ["dragenter", "dragover", "drop"]) {
        document.querySelector("label.photo").dispatchEvent(new DragEvent(kind, { dataTransfer, cancelable: true }));
      }
    }"""
    page.evaluate(drop, [content, "a.jpg", "image/jpeg"])
    answered(page)
    page.evaluate(drop, [b64encode(b"about signs").decode(), "notes.txt", "text/plain"])
    expect(page.locator("#fields .problem")).to_have_text(
        "このファイルは写真として読み込めません。JPEGかPNGのファイルを選んでください。"
    )
    expect(page.locator("#result")).to_be_hidden()
    page.evaluate(drop, [content, "a.jpg", "image/jpeg"])
    answered(page)
    expect(page.locator("#fields .problem")).to_have_text("")


# Other use cases


def test_a_table_is_a_form(toy: str, visit: Visit) -> None:
    page = ready(visit(toy))
    expect(page.locator("h1")).to_have_text("Ripe melons")
    page.get_by_label("weight (kg)").fill("2.9")
    expect(page.locator("#result")).to_be_hidden()  # the colour is missing still
    page.get_by_label("colour of the skin").select_option("yellow")
    expect(page.locator("#top")).to_have_text("ripe")
    answered(page)
    expect(page.locator(".diverging li")).to_have_count(2)
    expect(page.locator("#explanation")).to_contain_text("evidence for ripe")
    # May be missing.
    page.get_by_label("weight (kg)").fill("")
    answered(page)
    page.get_by_label("weight (kg)").fill("11")
    expect(page.locator("#result")).to_be_hidden()
    expect(page.get_by_label("weight (kg)")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".problem").first).to_have_text(re.compile("No answer: the value must be .+ to .+"))
    page.get_by_label("weight (kg)").fill("0.6")
    answered(page)
    page.get_by_role("button", name="unripe").click()
    expect(page.locator("#thanks")).to_contain_text("Stored: unripe.")
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_label("重さ（kg）")).to_have_value("0.6")  # noqa: RUF001
    expect(page.locator("#thanks")).to_contain_text("「unripe」を記録しました。")


def test_a_text_shows_which_characters_mattered(visit: Visit, tmp_path: Path) -> None:
    publish(moods(tmp_path / "moods"), tmp_path / "state")
    with visit.served(tmp_path / "state", "moods") as address:
        page = ready(visit(address))
        # There is no card: names stand in for it.
        page.get_by_label("text").fill("😀楽しい - ok")
        expect(page.locator("#top")).to_have_text("good")
        answered(page)
        coloured = page.locator(".marked span[style*='rgb']")
        # Whole words are left out, and each of their characters is coloured.
        expect(coloured).to_have_count(4)
        assert coloured.all_text_contents() == ["楽", "し", "い", "-"]
        expect(page.locator("#because")).to_contain_text("no decision policy")
        page.get_by_label("text").fill("--")
        expect(page.locator("#top")).to_have_text("bad")
        page.get_by_label("text").fill("")
        expect(page.locator("#result")).to_be_hidden()
        page.get_by_label("text").fill("楽" * 10_001)
        expect(page.locator(".problem").first).to_contain_text("10,001 characters are more than the 10,000")
        expect(page.locator("#result")).to_be_hidden()
        for example in ("楽 that was +", "++", "--", "楽 that was +"):
            page.get_by_role("button", name="Use an example").click()
            expect(page.get_by_label("text")).to_have_value(example)
        answered(page)


def test_a_date_is_chosen_within_its_bounds(visit: Visit, tmp_path: Path) -> None:
    sold = Date("sold_on", "2015-01-01", "2030-12-31", missing=True)
    output = Output(task="classification", name="returned", classes=("no", "yes"))
    graph = constant_graph([sold], output, np.array([0.25, 0.75])).graph
    bundle = made(
        tmp_path / "bundle",
        graph,
        use_case="sales",
        inputs=(sold.model_copy(update={"example": "2021-06-13"}),),
        output=output,
        reference={"sold_on": Reference(edges=(18000.5,), shares=(0.5, 0.5), missing_share=0)},
        golden_inputs={"sold_on": ["2021-06-13", None]},
        golden_outputs=[[0.25, 0.75]] * 2,
    )
    publish(bundle, tmp_path)
    with visit.served(tmp_path, "sales") as address:
        page = ready(visit(address))
        control = page.locator("#field-0")
        assert [control.get_attribute(of) for of in ("type", "min", "max")] == ["date", "2015-01-01", "2030-12-31"]
        expect(page.locator("#field-0-hint")).to_have_text("2015-01-01 to 2030-12-31 · optional")
        expect(page.locator("#input-heading")).to_have_text("Fill in the fields")
        page.get_by_role("button", name="Use an example").click()
        assert control.input_value() == "2021-06-13"
        answered(page)
        control.fill("2031-01-01")
        problem = "No answer: the value must be 2015-01-01 to 2030-12-31."
        expect(page.locator("#field-0-problem")).to_have_text(problem)
        page.get_by_role("button", name="日本語").click()
        expect(page.locator("#field-0-hint")).to_have_text("2015-01-01〜2030-12-31 · 空欄可")


@pytest.mark.parametrize("field", ["constructor", "__proto__", "toString"])
def test_a_field_may_have_a_name_that_every_object_of_javascript_has(field: str, visit: Visit, tmp_path: Path) -> None:
    publish(rents(tmp_path / "rents", field), tmp_path / "state")
    with visit.served(tmp_path / "state", "rents") as address:
        page = ready(visit(address, locale="en-US"))
        page.get_by_role("button", name="Use an example").click()
        expect(page.locator("#fields input")).to_have_value("2")
        expect(page.locator("#top")).to_have_text("$200")
        answered(page)
        expect(page.locator(".diverging .value")).to_have_text(re.compile(r"\d"))


def test_a_value_has_its_unit_and_a_number_as_feedback(visit: Visit, tmp_path: Path) -> None:
    publish(rents(tmp_path / "rents"), tmp_path / "state")
    with visit.served(tmp_path / "state", "rents") as address:
        page = ready(visit(address, locale="en-US"))
        page.get_by_label("rooms").fill("2")
        expect(page.locator("#top")).to_have_text("$200")
        expect(page.locator("#sure")).to_have_text("90% interval: $155 to $245")
        expect(page.locator("#because")).to_have_text(
            "An error by the machine is expected to cost 300 yen here, no more than a check (480 yen)."
        )
        expect(page.locator("#yen")).to_have_text("+900 yen")
        page.get_by_label("rooms").fill("8")
        expect(page.locator("#top")).to_have_text("$500")
        expect(page.locator("#by")).to_have_text("Checked by a person")
        expect(page.locator("#explanation")).to_contain_text("raises the value")
        answered(page)
        page.get_by_role("spinbutton", name="What is the true value?").fill("480")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#thanks")).to_have_text("Stored: $480. The answer was right.")
        expect(page.locator("#live-feedback")).to_have_text("1")


# When something is amiss


def test_a_key_is_asked_for_until_it_fits(shapes_state: Path, visit: Visit) -> None:
    allowed = hashlib.sha256(b"right").hexdigest()
    with visit.served(shapes_state, SHAPES, SERVING_API_KEYS=allowed) as address:
        page = visit(address)
        expect(page.locator("#key-error")).to_be_hidden()
        give_key(page, " ")
        expect(page.locator("#key-error")).to_have_text("Enter a key.")
        give_key(page, "wrong")
        expect(page.locator("#key-error")).to_contain_text("did not accept that key")
        give_key(page, "right")
        ready(page)
        draw(page, ELL)
        expect(page.locator("#top")).to_have_text("L")
        answered(page)
        page.reload()
        ready(page)
        assert page.evaluate("JSON.stringify(localStorage)").count("right") == 0
    refused = [fault for fault in visit.faults if "401" in fault]
    assert visit.faults == refused
    visit.faults.clear()


def give_key(page: Page, key: str) -> None:
    page.get_by_role("textbox", name="Key").fill(key)
    page.get_by_role("button", name="Continue").click()


def test_a_key_that_no_header_may_have_is_refused_in_the_dialog(shapes_state: Path, visit: Visit) -> None:
    allowed = hashlib.sha256(b"right").hexdigest()
    with visit.served(shapes_state, SHAPES, SERVING_API_KEYS=allowed) as address:
        # One that was stored before is not sent either.
        stored = "sessionStorage.getItem('portfolio-key') ?? sessionStorage.setItem('portfolio-key', 'don’t')"  # noqa: RUF001
        page = visit(address, script=stored)
        for key in ("don’t", "clé", "鍵"):  # noqa: RUF001
            give_key(page, key)
            expect(page.locator("#key-error")).to_contain_text(f"“{re.sub('[a-z]', '', key)}” can't be in a key")
            expect(page.get_by_role("textbox", name="Key")).to_be_focused()
        give_key(page, "right")
        ready(page)
    assert all("401" in fault for fault in visit.faults)
    visit.faults.clear()


NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {
    get() {
      throw new DOMException("Access is denied for this document.", "SecurityError");
    },
  });
}
"""


def test_all_of_it_without_storage(shapes_state: Path, visit: Visit) -> None:
    allowed = hashlib.sha256(b"right").hexdigest()
    with visit.served(shapes_state, SHAPES, SERVING_API_KEYS=allowed) as address:
        page = visit(address, script=NO_STORAGE)
        give_key(page, "right")
        ready(page)
        draw(page, ELL)
        expect(page.locator("#top")).to_have_text("L")
        expect(page.get_by_role("alert")).to_have_count(0)
    assert all("401" in fault for fault in visit.faults)
    visit.faults.clear()


def test_a_page_opened_before_there_is_a_model_comes_alive(shapes: Bundle, tmp_path: Path, visit: Visit) -> None:
    with visit.served(tmp_path, SHAPES, probe_path="/healthz") as address:
        page = visit(address)
        page.evaluate("window.opened = true")
        expect(page.get_by_role("alert")).to_contain_text("The server has no model yet.")
        publish(shapes, tmp_path)
        ready(page)
        expect(page.locator("#notice")).to_be_hidden()
        draw(page, ELL)
        expect(page.locator("#top")).to_have_text("L")
        assert page.evaluate("window.opened")  # it was not reloaded
    assert all("503" in fault for fault in visit.faults)
    visit.faults.clear()


def test_without_a_model_the_server_is_asked_seldom(tmp_path: Path, visit: Visit) -> None:
    with visit.served(tmp_path, SHAPES, probe_path="/healthz") as address:
        page = visit(address)
        expect(page.get_by_role("alert")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(4000)
    assert 1 <= sum(url.endswith("/model") for url in asked) <= 2
    assert all("503" in fault for fault in visit.faults)
    visit.faults.clear()


def test_how_to_label_is_seen_before_the_first_label_and_after(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    page.keyboard.press("L")  # there is nothing to label yet
    draw(page, ELL)
    answered(page)
    expect(page.locator("#thanks")).to_have_text("Click the right one, or press its key.")
    expect(page.locator("#thanks")).to_be_visible()
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("#thanks")).to_contain_text("同じキーを押してください")
    page.keyboard.press("L")
    expect(page.locator("#thanks")).to_contain_text("「L」を記録しました。")
    page.locator("#clear").click()
    expect(page.locator("#result")).to_be_hidden()
    page.evaluate("scrollTo(0, 0)")
    draw(page, ELL)
    answered(page)
    expect(page.locator("#thanks")).to_contain_text("同じキーを押してください")


def test_a_notice_goes_when_the_label_is_stored_and_speaks_the_language_chosen(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable))
    draw(page, ELL)
    answered(page)
    fault = {"error": {"code": "log_unavailable", "message": "The label could not be stored.", "details": []}}
    page.route("**/feedback", lambda route: route.fulfill(status=503, json=fault), times=1)
    page.get_by_role("button", name="L", exact=True).click()
    expect(page.locator("#notice")).to_have_text("The label could not be stored. Try again later.")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("#notice")).to_contain_text("正解を記録できませんでした。")
    page.get_by_role("button", name="L", exact=True).click()
    expect(page.locator("#thanks")).to_contain_text("「L」を記録しました。")
    expect(page.locator("#notice")).to_be_hidden()
    assert all("503" in fault for fault in visit.faults)
    visit.faults.clear()


def test_every_error_of_the_server_has_a_sentence_in_both_languages() -> None:
    codes = {"unreachable", "other"}
    for path in (ROOT / "serving").rglob("*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RequestError":
                codes |= {
                    part.value
                    for part in ast.walk(node.args[1])
                    if isinstance(part, ast.Constant) and part.value != 404
                }
                names = [part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)]
                codes |= {named[name] for name in names if name in named}
    assert {"unknown_request", "too_slow", "not_found"} <= codes
    english, japanese = words_of_the_page()
    assert codes - english.keys() == set()
    assert english.keys() == japanese.keys()


def words_of_the_page() -> list[dict[str, str]]:
    """The sentences for errors in words.js, by code: in English, in Japanese."""
    text = (ROOT / "serving" / "page" / "words.js").read_text(encoding="utf-8")
    return [dict(re.findall(r'^  "error\.(\w+)": "(.+)",$', part, re.MULTILINE)) for part in text.split("const JA")]


def test_both_languages_have_the_same_words() -> None:
    text = (ROOT / "serving" / "page" / "words.js").read_text(encoding="utf-8").partition("const ALL")[0]
    english, japanese = (
        re.findall(r'^  "?([\w.]+)"?:', part, re.MULTILINE) for part in text.split("const JA", maxsplit=1)
    )
    assert english == japanese


def test_an_unknown_error_is_told_in_both_languages(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, locale="ja-JP"))
    fault = {"error": {"code": "of_a_newer_server", "message": "The moon is full.", "details": []}}
    page.route("**/predict?**", lambda route: route.fulfill(status=422, json=fault))
    draw(page, ELL)
    expect(page.locator("#notice")).to_have_text("問題が発生しました。 The moon is full.")
    visit.faults.clear()


@pytest.mark.parametrize(
    ("locale", "told"),
    [("en-GB", "This page can't be shown because of an error in it"), ("ja-JP", "このページの表示中にエラーが発生")],
)
def test_an_error_of_the_page_itself_is_told(drawable: str, visit: Visit, locale: str, told: str) -> None:
    script = """
      const { createElement } = Document.prototype;
      Document.prototype.createElement = function (name) {
        if (name === "canvas") throw new TypeError("no paper");
        return createElement.call(this, name);
      };"""
    page = visit(drawable, script, locale=locale)
    expect(page.locator("#notice")).to_contain_text(told)
    expect(page.locator("#notice")).to_contain_text("(no paper)" if locale == "en-GB" else "（no paper）")  # noqa: RUF001
    # In the console too, where the place is told.
    assert any("no paper" in fault for fault in visit.faults)
    visit.faults.clear()


def test_a_language_that_nobody_wrote_is_not_taken_from_the_storage(drawable: str, visit: Visit) -> None:
    page = ready(visit(drawable, "localStorage.setItem('language', 'constructor')"))
    expect(page.locator("#clear")).to_have_text("Clear")


def test_a_server_that_is_gone_is_told_and_found_again(shapes_state: Path, visit: Visit) -> None:
    with served(shapes_state, SHAPES) as address:
        page = ready(visit(address))
    draw(page, ELL)
    expect(page.get_by_role("alert")).to_have_text("The server can't be reached.")
    with served(shapes_state, SHAPES, port=int(address.rpartition(":")[2])):
        expect(page.locator("#top")).to_have_text("L")
        expect(page.get_by_role("alert")).to_be_hidden()
        # It would go on asking after this server too.
        page.close()
    assert all("ERR_CONNECTION_REFUSED" in fault for fault in visit.faults)
    visit.faults.clear()
