# Short names for tests/rig/run and nox. CI runs .ci/run.

# list the recipes
default:
    @just --list

# create .venv with the project and its tools
setup:
    bash tests/rig/run setup

# one server's life, step by step
demo *options:
    bash tests/rig/run demo {{ options }}

# start a Docker Engine if none answers, and build the test images
engine:
    bash tests/rig/run engine

# run everything that CI runs, or these nox sessions
gate *sessions:
    bash tests/rig/run tests {{ sessions }}

# run pytest with these arguments
test *arguments:
    .venv/bin/python -m pytest {{ arguments }}

# the suites that need no Docker and no waiting
quick:
    .venv/bin/python -m pytest -q tests/pure tests/simulated tests/golden tests/architecture

# ruff, import contracts, mypy, rendered pages
check:
    .venv/bin/nox --sessions lint typing docs

# format, and apply what ruff can fix
fix:
    .venv/bin/ruff check --fix --quiet actors lightd tests docs noxfile.py
    .venv/bin/ruff format --quiet actors lightd tests docs noxfile.py

# write the rendered pages and the configuration schema anew
render:
    .venv/bin/python docs/render.py
    .venv/bin/python -m lightd.config.schema > config/config.schema.json
    .venv/bin/python -m lightd.config.schema --example > config/config.example.json

# the random and the long tests, ten times as long as in the gate
soak *arguments:
    .venv/bin/nox --sessions soak -- {{ arguments }}

# measurements
bench *arguments:
    .venv/bin/nox --sessions bench -- {{ arguments }}
