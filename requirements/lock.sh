#!/usr/bin/env bash
# Renews every lock from pyproject.toml. Torch is kept out (see [tool.uv] there).
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND="make lock"
compile() { uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet --upgrade "$@"; }
compile --all-extras -o requirements/dev.lock
compile --extra train --extra pipeline --extra serving -o requirements/pipeline.lock
compile --extra serving -o requirements/serving.lock
# What results depend on, for dvc.yaml. Written aside first: the redirection would empty the file before it is needed.
python -m portfolio.cli.provenance >requirements/versions.yaml.partial
mv requirements/versions.yaml.partial requirements/versions.yaml
