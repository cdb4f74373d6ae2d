"""The static pages: everything on them is escaped, nothing in them runs, and they are looked at in a real browser."""

import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from loop.release.declarations import Declarations
from loop.release.evidence import gather
from loop.release.judgement import judge
from loop.release.pages.site import Artifact, site

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\x1b[2J"
VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """Reads a page as a browser would, and notes tags, addresses and what is left open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open, self.handlers, self.faults = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture
def written(loop, tmp_path):
    out = tmp_path / "site"
    loop.loopd("release", "index", "--out", str(out))
    return out


def test_there_is_one_index_and_one_page_for_each_policy_and_round(written):
    pages = {str(path.relative_to(written)) for path in written.rglob("*.html")}
    assert {page for page in pages if page.startswith("rounds/")} == {"rounds/1.html", "rounds/2.html"}
    assert len([page for page in pages if page.startswith("policies/")]) == 3
    index = (written / "index.html").read_text()
    for state in ("candidate-current-best", "report-only", "ship", "retry-eval"):
        assert state in index
    for page in written.rglob("policies/*/index.html"):
        text = page.read_text()
        for heading in ("Blockers and caveats", "Base, tuned, delta", "Gates", "Data", "Evidence"):
            assert heading in text
    for page in written.rglob("rounds/*.html"):
        assert "<h2>Evidence</h2>" in page.read_text()


def test_every_address_on_a_page_leads_to_a_file_beside_it(written):
    for page in written.rglob("*.html"):
        read = Page(page.read_text())
        assert not read.open
        assert not read.faults
        assert not {"script", "iframe", "object", "img", "form"} & set(read.tags)
        for address in read.addresses:
            assert (page.parent / address).resolve().is_file(), address


def test_the_pages_are_light_and_dark_and_let_nothing_run(written):
    for page in written.rglob("*.html"):
        text = page.read_text()
        assert "prefers-color-scheme: dark" in text
        assert "default-src 'none'" in text


def test_names_and_reasons_from_outside_are_text_and_nothing_else(loop):
    with loop.store() as store:
        champion = store.policies.champion()
        evidence = gather(store, champion, NASTY, loop.places.models, declared=Declarations(title=NASTY, author=NASTY))
    decision = evidence.report.decision.model_copy(update={"reason": NASTY})
    evidence = evidence.model_copy(update={"report": evidence.report.model_copy(update={"decision": decision})})
    pages = site([Artifact(evidence, judge(evidence))], [])
    for name, text in pages.items():
        if name.endswith(".html"):
            read = Page(text)
            assert not {"script", "img"} & set(read.tags)
            assert not read.handlers
            assert "\x1b" not in text
            assert "{{ 7*7 }}" in text  # what looks like a template is shown, not run


def test_a_site_takes_the_place_of_an_older_one_and_of_nothing_else(loop, written, tmp_path):
    (written / "old.html").write_text("old")
    loop.loopd("release", "index", "--out", str(written))
    assert not (written / "old.html").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    loop.loopd("release", "index", "--out", str(tmp_path / "mine"), code=1)


FRAME = """<iframe id="page" src="{page}" width="{width}" height="900"></iframe>
<script>onload = () => {{ const root = page.contentDocument.documentElement;
  document.title = `${{root.scrollWidth - root.clientWidth}} too wide` }}</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser_no_page_is_wider_than_the_screen(written, tmp_path, width):
    for page in [written / "index.html", written / "rounds" / "1.html", *written.glob("policies/*/index.html")][:3]:
        frame = tmp_path / "frame.html"
        frame.write_text(FRAME.format(page=page.as_uri(), width=width))
        words = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--allow-file-access-from-files",
        )
        done = subprocess.run(
            [CHROMIUM, *words, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", frame.as_uri()],
            check=True, capture_output=True, timeout=120, text=True,
        )  # fmt: skip
        assert "<title>0 too wide</title>" in done.stdout, page
