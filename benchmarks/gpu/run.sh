#!/usr/bin/env bash
# Run speed.py from the folder that pack.py has made, without network; arguments are speed.py's.
# PYTHON is the one that holds torch; results go to OUT, by default here.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="${PYTHON:-python3}"
site="${SITE:-$here/site}"
"$python" -c 'import torch, transformers, accelerate' || { echo "torch, transformers and accelerate must be there; set PYTHON" >&2; exit 2; }
if [ ! -e "$site/.installed" ]; then
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --upgrade \
        --target "$site" "$here"/wheels/*.whl
    touch "$site/.installed"
fi
export PYTHONPATH="$site:$here/src${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONUNBUFFERED=1
exec "$python" "$here/benchmarks/gpu/speed.py" --out "${OUT:-$PWD}" "$@"
