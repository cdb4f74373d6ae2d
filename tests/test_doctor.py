"""`loopd doctor`: enough checks, each with something to type where it is not right."""

import bfcl_eval
import pytest

from loop.cli import doctor
from loop.cli.checks import home, machine, settings
from loop.runtime import paths

QUICK = [check for check in doctor.CHECKS if check.__name__ not in {"mlx", "suites", "student", "parts"}]


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return paths.find().create()


def found(check):
    return {each.check: each for each in doctor.guarded(check)}


def test_there_are_enough_checks_and_each_says_what_to_do(places):
    every = [each for check in QUICK for each in doctor.guarded(check)]
    assert len(doctor.CHECKS) >= 25
    assert len({each.check for each in every}) == len(every) >= 40
    assert [each for each in every if (each.state == "ok") != (not each.fix)] == []
    assert {each.state for each in every} <= {"ok", "warn", "fail"}


def test_an_empty_package_of_worlds_is_no_comfort(places, tmp_path, monkeypatch):
    package = tmp_path / "site/bfcl_eval"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(bfcl_eval, "__path__", [str(package)])
    monkeypatch.setattr(bfcl_eval, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr("task_generators.backends.bfcl.files", lambda _: package)
    assert {each.state for each in doctor.guarded(settings.dataset) if each.check != "bfcl"} == {"fail"}
    (package / "data/possible_answer").mkdir(parents=True)
    for name in ("BFCL_v4_multi_turn_base.json", "possible_answer/BFCL_v4_multi_turn_base.json"):
        (package / "data" / name).touch()
    assert found(settings.dataset)["bfcl base"].state == "fail"
    assert "bfcl-eval" in found(settings.dataset)["bfcl base"].fix


def test_a_directory_that_others_read_or_a_cloud_copies_is_named(places, monkeypatch):
    places.data.chmod(0o755)
    assert "chmod 700" in found(home.directory)["privacy"].fix
    monkeypatch.setenv("LOOPD_HOME", str(places.data / "Dropbox/x"))
    assert found(home.disk)["cloud"].state == "fail"


def test_a_damaged_database_is_named(places):
    from loop.store import Store  # noqa: PLC0415 - one test's

    with Store.open(places.database) as store:
        for number in range(400):
            store.events.record("noted", number=number, text="x" * 400)
    file = places.data / "loopd.db"
    assert found(home.store)["database"].state == "ok"
    data = bytearray(file.read_bytes())
    data[4096 * 8 : 4096 * 30] = b"\x5a" * 4096 * 22
    file.write_bytes(data)
    for beside in places.data.glob("loopd.db-*"):
        beside.unlink()
    looked = found(home.store)
    assert "fail" in {each.state for each in looked.values()}


def test_a_key_in_the_settings_is_seen_and_not_repeated(places, tmp_path):
    key = "sk-" + "a8Fq2Zk1Lw9Xv3Rt7Yp5Nb6Mc4Hd0JgS"
    (tmp_path / "loopd.toml").write_text(f"[student]\nsystem = '{key}'\n")
    looked = found(settings.files)["keys in settings"]
    assert looked.state == "warn"
    assert key not in looked.model_dump_json()


def test_a_proxy_that_would_be_asked_for_this_machine_is_named(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", "")
    assert found(machine.proxies)["proxies"].state == "warn"
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert found(machine.proxies)["proxies"].state == "ok"


def test_settings_that_cannot_be_used_fail(places, tmp_path):
    (tmp_path / "loopd.toml").write_text("[[gating.gates]]\nuse = 'depth'\nsettings = { suite = 'dpth' }\n")
    assert found(settings.parts)["parts"].state == "fail"
