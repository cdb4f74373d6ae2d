"""A daemon in small that owns a Ray pool: plays for ever, says where Ray is. For kill -9."""

import json
import sys
from pathlib import Path

from staged import staged

from loop.rollout.ray_pool import RayPool


def main():
    root = Path(sys.argv[1])
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    with RayPool(1, run=root / "run", logs=root / "logs", play="staged:play", environment=environment) as pool:
        for play, _ in pool.run([staged(0), *(staged(number, "sleep 600") for number in range(1, 8))]):
            sys.stdout.write(
                json.dumps([play.id, pool._child.pid, (root / "run" / "ray.directory").read_text()]) + "\n"
            )
            sys.stdout.flush()


main()
