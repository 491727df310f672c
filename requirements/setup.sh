#!/usr/bin/env bash
# Makes .venv from a lock: bash requirements/setup.sh [dev|pipeline|serving]. Does nothing where it is up to date.
#
# TORCH=cpu (the default), auto, cu128 ... chooses the build of PyTorch, by the names that uv uses.
# A wheel folder named by PIP_FIND_LINKS is used first, for torch and for everything else.
set -euo pipefail
cd "$(dirname "$0")/.."
group=${1:-dev}
venv=${VENV:-.venv}
torch_backend=${TORCH:-cpu}
python=${PYTHON:-python3.11}

case $venv in /*) place=$venv ;; *) place=$(pwd -P)/$venv ;; esac

stamp="$venv/.complete"
wanted=$(cat "requirements/$group.lock" pyproject.toml requirements/setup.sh | cksum)" $torch_backend $place"
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

fail() { echo "$*" >&2 && exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
[ "$(uname -sm)" != "Darwin x86_64" ] ||
    fail "PyTorch has no current build for Macs with Intel processors. Use Linux, or a Mac with Apple silicon."
command -v "$python" >/dev/null ||
    fail "Set-up needs Python 3.11, and '$python' was not found. Install it, or name it: make PYTHON=/path/to/python3.11 ..."
[ "$(version "$python")" = 3.11 ] ||
    fail "Set-up needs Python 3.11, for which the versions are locked, and '$python' is Python $(version "$python"). Name another: make PYTHON=/path/to/python3.11 ..."
# The commands of a virtual environment name its folder: in a checkout that was moved or copied they would run another's.
if [ -e "$venv/pyvenv.cfg" ]; then
    made=$(sed -n 's/^command = .* -m venv //p' "$venv/pyvenv.cfg")
    if [ "${made:-$place}" != "$place" ] || [ "$(version "$venv/bin/python")" != 3.11 ]; then
        echo "$venv was made in another folder, or by another Python; it is made anew"
        rm -rf "$venv"
    fi
fi
rm -f "$stamp"
echo "Setting up $venv (once; $group dependencies, torch: $torch_backend)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if ! [ -x "$venv/bin/uv" ]; then
    grep -A 50 '^uv==' requirements/dev.lock | awk 'NR==1 || /--hash/ {print} NR>1 && !/--hash/ {exit}' >"$venv/uv.lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$venv/uv.lock"
fi
export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}} UV_PYTHON="$venv/bin/python" UV_LINK_MODE=${UV_LINK_MODE:-copy}
[ -n "$UV_FIND_LINKS" ] || unset UV_FIND_LINKS
# --no-config: pyproject.toml keeps torch out of the locks, and would keep it out of here too.
uv="$venv/bin/uv --no-config pip"
$uv install --quiet --no-deps --require-hashes -r "requirements/$group.lock"
if [ "$group" != serving ]; then
    torch=$(sed -n 's/^torch = "\(.*\)"/\1/p' pyproject.toml)
    if compgen -G "${UV_FIND_LINKS:-/nonexistent}/torch-$torch*.whl" >/dev/null && [ "$torch_backend" = cpu ]; then
        $uv install --quiet --no-deps "torch==$torch"
    else
        $uv install --quiet --torch-backend "$torch_backend" "torch==$torch"
    fi
fi
# dev.lock has the build's own needs too, with their hashes; no other group installs them.
$uv install --quiet --no-deps --build-constraints requirements/dev.lock -e .
printf '%s' "$wanted" >"$stamp"
