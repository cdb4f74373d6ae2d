"""Whatever a home is called, everything lies in it, and nothing outside."""

import pytest

from loop.cli import access
from loop.errors import ConfigError
from loop.runtime import paths, query
from loop.store import Store

NAMES = [
    "with space/Ünï",
    "ha#sh",
    "que?ry=1&x",
    "per%20cent",
    "100%25 mine",
    "50%",
    "line\nbreak",
    "a:b;c'd\"e",
    "[x]{y}$z",
]


@pytest.mark.parametrize("name", NAMES)
def test_everything_lies_in_the_home(tmp_path, monkeypatch, name):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    places = paths.find().create()
    with Store.open(places.database) as store:
        store.events.record("noted")
    assert (places.data / "loopd.db").is_file()
    assert list(tmp_path.rglob("loopd.db")) == [places.data / "loopd.db"]
    with query.read_only(access.url()) as ask:
        assert ask("select count(*) from event").rows == [(1,)]
    top, *others = tmp_path.iterdir()
    assert top == tmp_path / name.partition("/")[0]
    assert others == []


@pytest.mark.parametrize("home", ["bytes-\udcff", "~nobody-of-this-name/x"])
def test_a_home_that_names_no_directory_is_said(monkeypatch, home):
    monkeypatch.setenv("LOOPD_HOME", home)
    with pytest.raises(ConfigError, match="LOOPD_HOME"):
        paths.find()


def test_without_any_home_nothing_is_made_where_one_stands(tmp_path, monkeypatch):
    for name in ("LOOPD_HOME", "HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(ConfigError, match="Set LOOPD_HOME"):
        paths.find()


@pytest.mark.parametrize(
    "url", ["sqlite:///x.db?uri=true", "sqlite:///file:x?mode=memory&uri=true", "sqlite://host/x.db"]
)
def test_a_database_is_a_file_and_no_options(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="database"):
        Store.open(url)
    assert list(tmp_path.iterdir()) == []
