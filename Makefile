# make start [PROFILE=mac-studio] [ROUNDS=n]   set up, then learn; again to go on where it stopped
# make test [JOBS=2]                           set up, then run every check and test
.PHONY: start test proof check lock

PROFILE ?=
ROUNDS ?=
JOBS ?= 2
COMPILE = uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url

start:
	@sh ops/setup.sh run
	@.venv/bin/loopd start --foreground $(if $(PROFILE),--profile $(PROFILE)) $(if $(ROUNDS),--rounds $(ROUNDS))

test:
	@sh ops/setup.sh dev
	@sh ops/check.sh
	@.venv/bin/python -m pytest -n $(JOBS) --dist loadfile

# The longer proofs: full equality runs, hundreds of kills, real training.
proof:
	@sh ops/setup.sh dev
	@.venv/bin/python -m pytest -m slow

check:
	@sh ops/setup.sh dev
	@sh ops/check.sh

# Pin every dependency anew, with hashes and without download addresses. Needs uv.
lock:
	$(COMPILE) --extra pg --extra otel --group dev pyproject.toml -o locks/dev.txt
	$(COMPILE) -c locks/dev.txt pyproject.toml -o locks/run.txt
	$(COMPILE) -c locks/dev.txt --group pyproject.toml:build -o locks/build.txt
	$(COMPILE) -c locks/dev.txt locks/pg.in -o locks/pg.txt
	$(COMPILE) -c locks/dev.txt locks/otel.in -o locks/otel.txt
	$(COMPILE) --no-deps locks/data.in -o locks/data.txt
