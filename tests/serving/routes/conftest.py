"""A server that is a process of its own, and the machine's own Chromium before it; none is downloaded."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from portfolio.bundle.bundle import Bundle, write_bundle
from portfolio.bundle.manifest import InputField, Lineage, Manifest, Output, Reference
from portfolio.bundle.policy import Policy, Prices
from portfolio.bundle.store import Store
from tests.tiny import MADE, ZEROS
from tests.workspace import ROOT, environment_kept

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="the page is tested in Chromium, and there is none: apt-get install chromium"
)
START_SECONDS = 60
SERVE = "from portfolio.cli.server import listening; from serving.server import run"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
expect.set_options(timeout=20_000)


@contextmanager
def served(state: Path, use_case: str, *, port: int = 0, probe_path: str = "/readyz", **settings: str) -> Iterator[str]:
    """The address of a server, a process of its own, of the bundle published in `state`, once a probe finds it."""
    with socket() as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORTFOLIO_STATE": str(state), "PORTFOLIO_USE_CASE": use_case, **settings}
    program = f"{SERVE}; run(listening('127.0.0.1', {port}, ''))"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(f"{address}{probe_path}"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address):
            return True
    except OSError:
        return False


def publish(bundle: Bundle, state: Path) -> None:
    with environment_kept():
        os.environ["PORTFOLIO_STATE"] = str(state)
        lineage = bundle.manifest.lineage.model_copy(update={"model_version": 1})
        manifest = bundle.manifest.model_copy(update={"lineage": lineage})
        Store.of(manifest.use_case).publish(bundle.folder, manifest)


def made(folder: Path, graph: onnx.GraphProto, **about: Any) -> Bundle:
    """A bundle of a graph made by hand."""
    opsets = [helper.make_opsetid(*one) for one in (("", 20), ("ai.onnx.ml", 4), ("com.microsoft", 1))]
    raw = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    lineage = Lineage(trained=MADE, evaluated=MADE, data_sha256=ZEROS)
    manifest = Manifest(candidate="made", lineage=lineage, model_sha256=hashlib.sha256(raw).hexdigest(), **about)
    write_bundle(folder, raw, manifest)
    return Bundle.open(folder)


def rents(folder: Path, field: str = "rooms") -> Bundle:
    """A regression: 100 dollars, and 50 for each room. Its error grows with them: from 3 rooms on a person checks."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["input_0", "price"], ["product"]),
            helper.make_node("Add", ["product", "base"], ["rent"]),
            helper.make_node("Mul", ["input_0", "scale"], ["error_scale"]),
            helper.make_node("Concat", ["rent", "error_scale"], ["value"], axis=1),
        ],
        "rents",
        [helper.make_tensor_value_info("input_0", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(np.array([10], dtype=np.float32), "scale"),
            numpy_helper.from_array(np.array([50], dtype=np.float32), "price"),
            numpy_helper.from_array(np.array([100], dtype=np.float32), "base"),
        ],
    )
    prices = Prices(by_hand_yen=1200, check_yen=480, error_yen=3000)
    return made(
        folder,
        graph,
        use_case="rents",
        inputs=(InputField(name=field, kind="number", description="rooms", minimum=1, maximum=9, example=2),),
        output=Output(task="regression", name="rent", unit="USD"),
        error_ratios=(0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25),
        policy=Policy(prices=prices, tolerance=50),
        reference={field: Reference(edges=(1, 2, 3), shares=(0.25, 0.25, 0.25, 0.25), missing_share=0)},
        golden_inputs={field: [1, 2]},
        golden_outputs=[[150, 10], [200, 20]],
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its own sandbox, which root, as in a container, may not have. It visits nothing but this server.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """Opens pages, and keeps what goes wrong in them."""

    browser: Browser
    contexts: list[BrowserContext]
    faults: list[str]
    outside: list[str]

    def __call__(self, address: str, script: str = "", **options: Any) -> Page:
        context = self.browser.new_context(**{"locale": "en-GB", "color_scheme": "light", **options})
        self.contexts.append(context)
        page = context.new_page()
        if script:
            page.add_init_script(script)
        # What the content security policy forbids is told here, too.
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        origin = "/".join(address.split("/")[:3])
        page.on("request", lambda request: self._look_at(origin, request.url))
        page.goto(address)
        return page

    @contextmanager
    def served(self, state: Path, use_case: str, **settings: str) -> Iterator[str]:
        """A server that outlives the pages: one that is still open would complain of its end."""
        with served(state, use_case, **settings) as address:
            try:
                yield address
            finally:
                self.leave()

    def leave(self) -> None:
        for context in self.contexts:
            context.close()
        self.contexts.clear()

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _look_at(self, origin: str, url: str) -> None:
        if not url.startswith((origin, "data:", "blob:")):
            self.outside.append(url)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    visit = Visit(browser, [], [], [])
    yield visit
    visit.leave()
    assert visit.faults == []
    assert visit.outside == []


def ready(page: Page) -> Page:
    page.wait_for_selector("html[data-ready]")
    return page


PALE = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.disabled) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color).slice(0, 3)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) pale.push(`${element.tagName}.${element.className} ${element.textContent} ${contrast}`);
  }
  return pale;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, canvas, a")]
  .filter((e) => !e.labels?.length && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby"))
  .filter((e) => !e.textContent.trim())
  .map((e) => e.outerHTML)"""
