"""A daemon in small: owns the children that its arguments name, says their pids, and waits. For kill -9."""

import json
import sys
import time
from pathlib import Path

from loop.runtime.child import Child

FOLLOWS = "from loop.runtime.child import exit_with_parent; import time; exit_with_parent(); time.sleep(600)"
FORKS = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); {FOLLOWS}"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
KINDS = {"follows": FOLLOWS, "forks": FORKS, "deaf": DEAF}


def main():
    root, *kinds = sys.argv[1:]
    places = {"run": Path(root) / "run", "logs": Path(root) / "logs"}
    children = [Child(kind, (sys.executable, "-c", KINDS[kind]), **places) for kind in kinds]
    sys.stdout.write(json.dumps([child.pid for child in children]) + "\n")
    sys.stdout.flush()
    time.sleep(600)


main()
