"""The wheel ships the five packages and the migrations, and nothing else; the names are ours alone."""

import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"loop", "curriculum", "task_generators", "teachers", "checkers"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=240)
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_ships_the_five_packages_and_the_migrations(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == PACKAGES
    assert any(name.startswith("loop/_migrations/versions/0001") for name in names)
    assert "loop/profiles/quickstart.toml" in names
    assert "task_generators/suites/canonical.toml" in names
    assert "loop/_locks/data.txt" in names
    strange = [
        name
        for name in names
        if not name.endswith((".py", ".toml", ".mako", ".html", ".css", ".js", ".svg", "_locks/data.txt"))
        and ".dist-info/" not in name
    ]
    assert not strange


def test_the_wheel_is_well_made(wheel):
    command = [sys.executable, "-m", "check_wheel_contents", "--toplevel", ",".join(sorted(PACKAGES))]
    checked = subprocess.run(
        [*command, "--ignore", "W004,W009", str(wheel)], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_no_other_distribution_owns_a_name_of_ours(name):
    assert set(packages_distributions().get(name, ["loopd-rest"])) == {"loopd-rest"}
