"""Two rounds, lived once, and a copy of their home for each test: one candidate became champion, one did not."""

import shutil

import pytest


@pytest.fixture(scope="module")
def lived(tmp_path_factory, rehearse):
    home = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("LOOPD_HOME", str(home))
        rehearse(home).live(rounds=2)
    return home


@pytest.fixture
def loop(lived, rehearse, tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(lived, home)
    monkeypatch.chdir(home)
    monkeypatch.setenv("LOOPD_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "120")
    return rehearse(home)
