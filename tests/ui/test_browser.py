"""The pages in a real browser: nothing from elsewhere, nothing hostile runs, keys and filters work, also on a phone."""

import os
import shutil
import time
from pathlib import Path

import pytest

from loop.ui.door import code

KEY = "sk-loopd-0123456789abcdef"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def program():
    """Where a Chromium is."""
    on_path = (shutil.which(name) for name in PROGRAMS)
    return next((found for found in (*on_path, *PLACES) if found and Path(found).exists()), None)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    where = program()
    if where is None:
        if "browser" in os.environ.get("LOOPD_REQUIRE", "").split(","):
            pytest.fail("LOOPD_REQUIRE asks for a browser, but there is no Chromium: install the package chromium")
        pytest.skip("no Chromium on this machine: install it, or put it on the PATH")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield made
        made.close()


@pytest.fixture
def look(browser, home):
    """Make a page that is let in, and hold it to loading nothing from elsewhere and to raising nothing."""
    address, _ = home
    complaints, contexts = [], []

    def made(**options):
        context = browser.new_context(base_url=address, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(address) else complaints.append(asked.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(f"/open?code={code(KEY)}")
        return page

    yield made
    for context in contexts:
        context.close()
    assert complaints == []


def rows(page):
    return page.locator("#rows tr[data-href]")


def until(page, count):
    """Wait for so many rows; a page's own policy lets no other script wait inside it."""
    end = time.monotonic() + 20
    while (found := rows(page).count()) != count:
        assert time.monotonic() < end, f"{found} rows, not {count}"
        page.wait_for_timeout(20)


def test_plays_are_filtered_without_leaving_the_page(look):
    page = look()
    page.goto("/plays")
    assert rows(page).count() == 50
    page.click("#more")
    until(page, 60)
    page.select_option("[name=verdict]", "refused")
    until(page, 15)
    assert page.url.endswith("/plays?verdict=refused")
    page.fill("[name=words]", "NUMBER 4")
    until(page, 1)
    page.reload()
    assert rows(page).count() == 1
    page.fill("[name=words]", "nobody says this")
    until(page, 0)
    page.wait_for_selector("text=Nothing more fits")


def test_keys_lead_to_a_play_and_through_it(look):
    page = look()
    page.goto("/plays?verdict=refused")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/plays/*")
    assert page.locator(".value.nowhere").count() >= 2
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert page.url.endswith("#t2")
    page.keyboard.press("p")
    assert page.url.endswith("#t1")
    page.keyboard.press("j")
    assert "#m" in page.url
    assert page.title() != "taken"
    assert "<script>" in page.inner_text(".conversation")


def test_two_plays_of_a_task_stand_side_by_side(look):
    page = look()
    page.goto("/plays?player=scripted")
    page.click("#rows a >> nth=0")
    page.click("text=Side by side")
    assert page.locator(".sides > section").count() == 2
    assert page.title() != "taken"


def test_a_command_is_copied(look):
    page = look(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/plays?verdict=refused&words=it's")
    page.click("#command")
    page.wait_for_selector("#command >> text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == (
        "loopd trajectory list --verdict refused --words 'it'\\''s'"
    )


def test_a_gate_is_paused_and_resumed(look, home):
    _, store = home
    page = look()
    page.click("text=Pause")
    page.fill("[name=reason]", "a look")
    page.click("text=Yes")
    page.wait_for_selector("text=Nobody is promoted meanwhile")
    assert list(store.gates.paused()) == ["depth"]
    page.click("text=Resume")
    page.click("text=Yes")
    page.wait_for_selector("text=Pause")
    assert not store.gates.paused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_is_soon_there(look, scheme):
    play = "00" + "ab" * 30
    page = look(color_scheme=scheme, viewport={"width": 390, "height": 844})
    for path in ("/", "/plays", "/curriculum", "/policies", f"/plays/0{play}", f"/compare?left=0{play}&right=1{play}"):
        began = time.perf_counter()
        page.goto(path)
        assert time.perf_counter() - began < 10, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.title() != "taken"
