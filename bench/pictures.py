"""The README's pictures: the server's page and the report of the champion in the store, and the monitor of the demo.

    python -m bench.pictures USE_CASE        # writes docs/pictures/{page,report,monitor}[.ja].png

The page shows the model's answer to its own example. The server keeps its prediction log in a temporary folder, so that
the pictures leave no trace in the real one. It needs the machine's own Chromium; none is downloaded.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from bench.server import Server, free_port
from bench.subject import champion, one_message
from portfolio.contract.loading import load_use_case
from portfolio.core.environment import state_folder
from portfolio.core.errors import ConfigError, DataError
from portfolio.core.paths import ANSWERS, Paths
from portfolio.report.words import PAGES

FOLDER = Path("docs") / "pictures"
TOUR = Path("docs") / "tour"
"""The same for docs/tour.md, where the template is at home: a project that was made from it keeps the tour as it is."""
DEMO = state_folder() / "demo"
"""Where the last `make demo` ran."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# As the browser names its languages.
LOCALES = {"en": "en-GB", "ja": "ja-JP"}
SIZE = {"width": 1000, "height": 1480}
# Of the last card that fits, so that the edge cuts through none.
BELOW_PX = 8
LAST_EDGE = """height => Math.max(...[...document.querySelectorAll("section, main > *, h2, svg, img, table")]
    .map(part => part.tagName === "H2" ? part.getBoundingClientRect().top - 24 : part.getBoundingClientRect().bottom)
    .filter(edge => edge <= height))"""
COLOURS = 256
"""Enough for pages of few colours; a fifth of the bytes of full colour."""
TIMEOUT_MS = 20_000


def main(use_case: str) -> None:
    """Raises PortfolioError, with the remedy, without a champion, its report or a browser."""
    name = load_use_case(use_case).name
    champion(name)
    for page in PAGES.values():
        if not (Paths(name).report / page).exists():
            raise DataError(f"{Paths(name).report / page} is missing. Write it: make run USE_CASE={name}")
    if not (DEMO / ".state" / "log" / f"{name}.db").exists():
        raise DataError(f"{DEMO} has no demo of {name}, whose monitor is to be seen. Run it: make demo USE_CASE={name}")
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise ConfigError("There is no Chromium on this machine. Install it, such as by: apt-get install chromium")
    fonts = shutil.which("fc-list")
    if fonts and not subprocess.run([fonts, ":lang=ja"], capture_output=True, check=True).stdout:
        raise ConfigError(
            "There is no Japanese font on this machine, so the Japanese pictures would show boxes. Install one, such "
            "as by: apt-get install fonts-noto-cjk"
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, and opens nothing but our own pages here.
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        log = Path(folder) / "server.log"
        with browser, _served(name, Path(), log, SERVING_LOG_URL=f"sqlite:///{folder}/log.db") as url:
            for language, page in PAGES.items():
                take(browser, language, url, "page", ready="html[data-ready]", example=True)
                take(browser, language, (Paths(name).report / page).absolute().as_uri(), "report")
            with _served(name, DEMO, log, PORTFOLIO_STATE=str(DEMO / ".state")) as demo:
                for language in PAGES:
                    take(browser, language, f"{demo}/monitor", "monitor", ready=".looks svg")


@contextmanager
def _served(use_case: str, folder: Path, log: Path, **variables: str) -> Iterator[str]:
    """The address of a server that runs there."""
    port = free_port()
    command = [sys.executable, "-m", "portfolio", "serve", use_case, "--port", str(port)]
    server = Server(command, port, log, cwd=folder, variables=variables)
    try:
        yield server.url
    finally:
        server.stop()


def take(
    browser: Browser, language: str, address: str, name: str, *, ready: str | None = None, example: bool = False
) -> None:
    """A picture of the first screen, once `ready` is there; with the answer to the page's example if `example`."""
    context = browser.new_context(locale=LOCALES[language], viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(address)
    if ready is not None:
        page.wait_for_selector(ready)
    if example:
        page.click("#example")
        page.wait_for_selector("#explanation", state="visible")
        # Only an answer that has settled is counted in the live metrics.
        page.wait_for_selector("#live-predictions:text-matches('^[1-9]')")
    path = FOLDER / f"{name}{'' if language == 'en' else f'.{language}'}.png"
    edge = min(SIZE["height"], page.evaluate(LAST_EDGE, SIZE["height"]) + BELOW_PX)
    clip = {"x": 0, "y": 0, "width": SIZE["width"], "height": edge}
    save(page.screenshot(animations="disabled", clip=clip), path)  # type: ignore[arg-type]
    context.close()


def save(picture: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    if path.parent == FOLDER and TOUR.exists() and not ANSWERS.exists():
        shutil.copyfile(path, TOUR / path.name)
    Console(highlight=False).print(f"{path}  {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m bench.pictures USE_CASE")
    with one_message():
        main(sys.argv[1])
