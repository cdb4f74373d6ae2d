"""Settings: every wrong word ends with one line that names it and the nearest right one."""

import os

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from loop import config, plugins
from loop.cli.main import app
from loop.config import schema
from loop.errors import ConfigError
from loop.runtime import paths
from loop.weights.sources import COMMIT
from task_generators.suites import suite


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return paths.Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config")


@pytest.mark.parametrize("name", config.profiles())
def test_every_profile_is_valid(places, name):
    assert config.load(places, name, {}, {}).profile == name


def test_later_sources_win(places):
    (places.config / "loopd.toml").write_text("seed = 1\n[student]\ntemperature = 0.1\nmax_rows = 3\n")
    (places.config.parent / "loopd.toml").write_text("seed = 2\n")
    found = config.load(places, "quickstart", {"seed": 4}, {"LOOPD_SEED": "3", "LOOPD_STUDENT__TEMPERATURE": "0.2"})
    assert (found.seed, found.student.temperature, found.student.max_rows) == (4, 0.2, 3)
    assert config.load(places, "quickstart", {}, {"LOOPD_SEED": "3"}).seed == 3
    assert config.load(places, "quickstart", {}, {}).seed == 2


def test_the_digest_names_what_a_round_depends_on(places):
    def one(**flags):
        return config.load(places, "quickstart", flags, {}).digest

    assert one() == one(rounds=3) == one(plays={"pool": "local"})
    assert one() != one(seed=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[studnet]\nsource = 'x'\n", "unknown key 'studnet'. Did you mean 'student'?"),
        ("[student]\ntemprature = 1\n", "unknown key 'student.temprature'. Did you mean 'temperature'?"),
        ("seed = 'many'\n", "setting 'seed'"),
        ("[student]\ntemperature = 9.0\n", "setting 'student.temperature'"),
        ("seed = \n", "cannot be read as TOML"),
        ("student = 3\n", "setting 'student'"),
    ],
)
def test_a_wrong_file_names_its_place(places, text, said):
    (places.config.parent / "loopd.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(places, "quickstart", {}, {})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78


def test_bytes_that_are_no_text_are_named(places):
    (places.config.parent / "loopd.toml").write_bytes(b"seed = '\xff'")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        config.load(places, "quickstart", {}, {})


def test_junk_in_the_environment_is_named(places):
    with pytest.raises(ConfigError, match=r"unknown key 'sede'\. Did you mean 'seed'\?"):
        config.load(places, "quickstart", {}, {"LOOPD_SEDE": "1"})
    with pytest.raises(ConfigError, match="the environment"):
        config.load(places, "quickstart", {}, {"LOOPD_SEED": "1", "LOOPD_SEED__X": "2"})


def test_a_home_goes_on_with_its_profile_until_another_is_named(places):
    places.create()
    assert config.load(places, None, {}, {}).profile == "quickstart"
    config.remember(places, config.load(places, "mac-studio", {}, {}))
    assert config.load(places, None, {}, {}).profile == "mac-studio"
    assert config.load(places, "quickstart", {}, {}).profile == "quickstart"
    (places.config / "loopd.toml").write_text('profile = "quickstart"\n')
    assert config.load(places, None, {}, {}).profile == "quickstart"


def test_a_note_of_the_profile_that_was_harmed_is_named(places):
    (places.create().data / "profile").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="no profile"):
        config.load(places, None, {}, {})


def test_an_unknown_profile_lists_the_known_ones(places):
    with pytest.raises(ConfigError, match=r"'quikstart'\. Did you mean 'quickstart'\?"):
        config.load(places, "quikstart", {}, {})


@pytest.mark.parametrize("name", config.profiles())
def test_a_profile_names_its_model_so_that_it_cannot_change_under_it(places, name):
    source = config.load(places, name, {}, {}).student.source
    assert source == "embedded" or COMMIT.fullmatch(source.partition("@")[2])


@pytest.mark.parametrize("name", config.profiles())
def test_every_part_that_a_profile_names_exists_with_those_settings(places, name):
    found = config.load(places, name, {}, {})
    arms = [arm for part in found.sampling.generators for arm in plugins.load("task_generators", part).arms]
    assert len({str(arm) for arm in arms}) == len(arms) > 0
    for package, named in (("teachers", found.teachers), ("checkers", found.checkers)):
        for part in named:
            assert plugins.load(package, part).name
    for part in found.gating.gates:
        gate = plugins.load("loop.gates", part)
        assert len(suite(gate.suite).tasks) >= (60 if gate.improves else 40)
    config.examine(found)
    assert plugins.load("curriculum", found.sampling.curriculum).samples >= 4


WRONG = [
    ("[training.mix]\nmax_row = 3\n", "unknown key 'training.mix.max_row'. Did you mean 'max_rows'?"),
    ("[training.outside]\ntrace = 0.3\n", "unknown key 'training.outside.trace'. Did you mean 'traces'?"),
    ("[training]\nlearning_rate = inf\n", "'training.learning_rate'"),
    ("[training]\nlearning_rate = 'inf'\n", "'training.learning_rate'"),
    ("[training.mix]\nstress = inf\n", "'training.mix.stress': a finite number"),
    ("[training.mix]\nstress = 'Infinity'\n", "'training.mix.stress': a finite number"),
    ("[training.mix]\nown_share = nan\n", "'training.mix.own_share'"),
    ("[student]\ntemperature = nan\n", "'student.temperature'"),
    ("[student]\ntemplate = 'natve'\n", "there is no template 'natve'. Did you mean 'native'?"),
    ("[student]\nsource = 'no/such model'\n", "no model 'no/such model'"),
    ("[student]\nsource = 'owner/name'\n", "no pinned revision"),
    ("[student]\nplayer = 'loop.student.client:Studnt'\n", "Studnt"),
    ("[[proposals]]\nprompt = 'plan-than-act'\n", "proposals.0: There is no prompt 'plan-than-act'. Did you mean"),
    ("[[proposals]]\n", "proposals.0: it changes nothing"),
    ("[[proposals]]\nprecison = 'base'\n", "unknown key 'proposals.precison'. Did you mean 'precision'?"),
    ("[[proposals]]\nsystem = 'Hm.'\n[[proposals]]\nsystem = 'Hm.'\n", "proposals: proposal"),
    ("[[gating.gates]]\nuse = 'depth'\n[[gating.gates]]\nuse = 'depth'\n", "gate 'depth' is listed twice"),
    (
        "[[gating.gates]]\nuse = 'depth'\nsettings = { suite = 'dpth' }\n",
        "suite 'dpth', which does not exist. Did you mean",
    ),
    ("[[gating.gates]]\nuse = 'depth'\nsettings = { suite = 'depth-sealed' }\n", "only a promotion opens it"),
    (
        "[[gating.gates]]\nuse = 'depth'\nsettings = { margn = 0.1 }\n",
        "gating.gates.0: loop.gates.depth: setting 'margn'",
    ),
    ("[[gating.gates]]\nuse = 'dpth'\n", "gating.gates.0: There is no 'dpth'"),
    ("[[gating.gates]]\nuse = 'retention'\nsettings = { margin = nan }\n", "gating.gates.0"),
    ("[[checkers]]\nuse = 'outcome'\n[[checkers]]\nuse = 'outcome'\n", "checker 'outcome' is listed twice"),
    ("[[checkers]]\nusee = 'outcome'\n", "unknown key 'checkers.usee'. Did you mean 'use'?"),
    ("[[teachers]]\nuse = 'scripted'\n[[teachers]]\nuse = 'scripted'\n", "teacher 'scripted' is listed twice"),
    (
        "[[teachers]]\nuse = 'scripted'\nlimits = { huor = { cost = 1 } }\n",
        "'teachers.limits.huor'. Did you mean 'hour'?",
    ),
    (
        "[[teachers]]\nuse = 'deepseek'\nsettings = { base_url = 'file:///etc/passwd' }\n",
        "teachers.0: teachers.deepseek",
    ),
    ("[[sampling.generators]]\nuse = 'files'\n[[sampling.generators]]\nuse = 'files'\n", "sampling.generators: arm '"),
    ("[[sampling.generators]]\nuse = 'files'\nsettings = { ofer = 'whole' }\n", "setting 'ofer'"),
    ("[sampling]\nfamilies = ['nobody']\n", "sampling.families: no generator has 'nobody'"),
    ("[sampling.curriculum]\nuse = 'thompsn'\n", "sampling.curriculum.0: There is no 'thompsn'"),
    ("[sampling.curriculum]\nuse = 'thompson'\nsettings = { sampels = 1 }\n", "setting 'sampels'"),
    ("database = 'mysql://me:secret@host/x'\n", "database: cannot use '"),
    ("seed = " + "9" * 5000 + "\n", "cannot be read as TOML"),
    ("seed = " + "[" * 5000 + "]" * 5000 + "\n", "nested too deeply"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_anywhere_is_said_before_anything_is_played(places, text, said):
    (places.config.parent / "loopd.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.examine(config.load(places, "quickstart", {}, {}))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 5000, "inf"])
def test_a_value_of_the_environment_that_cannot_be_used_names_its_variable(places, text):
    with pytest.raises(ConfigError, match=r"LOOPD_SEED|'seed'"):
        config.load(places, "quickstart", {}, {"LOOPD_SEED": text})


def test_what_should_be_a_file_and_is_none_is_said_and_not_waited_for(places):
    for path in (places.config / "loopd.toml", places.config.parent / "loopd.toml"):
        os.mkfifo(path)
        with pytest.raises(ConfigError, match="is not a file"):
            config.load(places, "quickstart", {}, {})
        path.unlink()
    (places.config / "loopd.toml").mkdir()
    with pytest.raises(ConfigError, match="is not a file"):
        config.load(places, "quickstart", {}, {})
    with pytest.raises(ConfigError, match="is not a file"):
        config.load(places, "quickstart", {}, {"LOOPD_CONFIG": str(places.config)})


def test_where_each_setting_comes_from_is_known(places):
    (places.config / "loopd.toml").write_text("seed = 1\n[student]\ntemperature = 0.1\n")
    found = config.gather(places, "quickstart", {"plays": {"pool": "local"}}, {"LOOPD_SEED": "3"})
    assert config.origin(found, ("seed",)) == "the environment"
    assert config.origin(found, ("student", "temperature")) == str(places.config / "loopd.toml")
    assert config.origin(found, ("student", "template")) == "profile quickstart"
    assert config.origin(found, ("plays", "pool")) == "the flags"
    assert config.origin(found, ("plays", "workers")) == "default"


@pytest.mark.parametrize("name", config.profiles())
def test_what_is_shown_can_be_read_again(places, monkeypatch, name):
    monkeypatch.setenv("LOOPD_HOME", str(places.data))
    shown = CliRunner().invoke(app, ["config", "show", "--origin", "--profile", name]).stdout
    (places.config.parent / "loopd.toml").write_text(shown)
    assert config.load(places, None, {}, {}) == config.load(paths.find(), name, {}, {})


def test_the_schema_takes_every_profile_and_refuses_what_start_refuses(places):
    judge = Draft202012Validator(schema.schema())
    for name in config.profiles():
        assert [error.message for error in judge.iter_errors(config.gather(places, name, {}, {})[0].tree)] == []
    for wrong in (
        {"studnet": {}},
        {"training": {"mix": {"max_row": 3}}},
        {"teachers": [{"use": "scriptd"}]},
        {"gating": {"gates": [{"use": "depth", "settings": {"margn": 0.1}}]}},
    ):
        assert list(judge.iter_errors(wrong))
    assert schema.described(config.StudentSettings)["source"].startswith("`embedded`")
