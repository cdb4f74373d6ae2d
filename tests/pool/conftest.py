import sys
from pathlib import Path

import pytest

from loop.rollout.pool import LocalPool
from loop.rollout.ray_pool import RayPool

HERE = str(Path(__file__).parent)
IN_FLIGHT = 8


@pytest.fixture(scope="session", autouse=True)
def _import_staged():
    """The staged play has one name here and in the workers."""
    sys.path.insert(0, HERE)
    yield
    sys.path.remove(HERE)


@pytest.fixture(scope="session")
def ray_pool(tmp_path_factory, _import_staged):
    """One Ray for all tests: it takes seconds to start."""
    root = tmp_path_factory.mktemp("ray")
    places, workers_see = {"run": root / "run", "logs": root / "logs"}, {"PYTHONPATH": HERE}
    with RayPool(2, in_flight=IN_FLIGHT, play="staged:play", environment=workers_see, **places) as pool:
        yield pool


@pytest.fixture
def local_pool(_import_staged):
    import staged  # noqa: PLC0415 - on the path only now

    with LocalPool(IN_FLIGHT, staged.play, grace=0.1) as pool:
        yield pool


@pytest.fixture(params=["local_pool", "ray_pool"])
def pool(request):
    """Both pools, one contract."""
    return request.getfixturevalue(request.param)
