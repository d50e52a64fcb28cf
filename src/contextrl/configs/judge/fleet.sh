#!/usr/bin/env bash
# A fleet of judges: replicas of one model, each a vLLM server, behind the list of addresses in judge.base_url.
#   GPUS=4,5,6,7 bash fleet.sh start     two replicas of two GPUs each, at ports 8001 and 8002; returns when they answer
#   bash fleet.sh health                 a line for each; exit code 1 if one does not answer
#   bash fleet.sh urls                   the --set that names them to contextrl train
#   bash fleet.sh stop
# What follows `start` goes to `vllm serve`. Settings are variables of the environment; a set VLLM_API_KEY is asked for
# by the replicas, and contextrl sends it where judge.api_key_env names that variable.
set -euo pipefail

MODEL=${MODEL:-Qwen/Qwen3-VL-32B-Instruct}
# By default all that nvidia-smi shows.
GPUS=${GPUS:-}
# GPUs of one replica. 32B in bfloat16 are 67 GB: two of 80 GB, which leave 73 GB of cache. With half of that,
# Qwen/Qwen3-VL-32B-Instruct-FP8, TP=1 leaves 33 GB on each.
TP=${TP:-2}
# Of the first replica; the others follow.
PORT=${PORT:-8001}
# 0.0.0.0 for clients on other machines.
HOST=${HOST:-127.0.0.1}
# Picture 3,000, response and reference 16,384 each, reply 16,384: a shorter one refuses long answers.
MAX_MODEL_LEN=${MAX_MODEL_LEN:-53248}
# As judge.max_concurrency.
MAX_NUM_SEQS=${MAX_NUM_SEQS:-64}
MEMORY=${MEMORY:-0.92}
# Seconds until all answer: the first start downloads 67 GB.
PATIENCE=${PATIENCE:-3600}
# Process ids and logs.
FLEET_DIR=${FLEET_DIR:-judge-fleet}
VLLM=${VLLM:-vllm}

fail() {
  echo "fleet: $1" >&2
  exit "${2:-2}"
}

# A line for each replica that was started: process id, port, model.
replicas() {
  [ ! -f "$FLEET_DIR/replicas" ] || cat "$FLEET_DIR/replicas"
}

# Whether a process is still the server that was started with this port: ids are given anew.
runs() { # id port
  ps -ww -o args= -p "$1" 2>/dev/null | grep -q -e "--port $2\b"
}

answers() { # port model
  local key=()
  # Not as an argument, which every user of the machine could read.
  [ -z "${VLLM_API_KEY:-}" ] || key=(-K -)
  printf 'header = "Authorization: Bearer %s"\n' "${VLLM_API_KEY:-}" |
    curl -sf --noproxy '*' --max-time 10 "${key[@]}" "http://127.0.0.1:$1/v1/models" 2>/dev/null | grep -qF "\"$2\""
}

start() {
  command -v "$VLLM" >/dev/null || fail "expected the command $VLLM, found none: pip install vllm, or set VLLM"
  command -v curl >/dev/null || fail "expected the command curl, found none"
  local id port model
  while read -r id port model; do
    ! runs "$id" "$port" || fail "expected no fleet of $FLEET_DIR, found one: bash fleet.sh stop"
  done < <(replicas)
  [ -n "$GPUS" ] || GPUS=$(nvidia-smi --query-gpu=index --format=csv,noheader | paste -sd, -)
  local gpus
  IFS=, read -ra gpus <<<"$GPUS"
  [ $((${#gpus[@]} % TP)) -eq 0 ] && [ "${#gpus[@]}" -gt 0 ] ||
    fail "expected a multiple of TP=$TP GPUs, found ${#gpus[@]} (GPUS=$GPUS)"
  local count=$((${#gpus[@]} / TP)) i
  for ((i = 0; i < count; i++)); do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$((PORT + i))") 2>/dev/null ||
      fail "expected port $((PORT + i)) to be free, found it taken: set PORT"
  done
  mkdir -p "$FLEET_DIR"
  : >"$FLEET_DIR/replicas"
  for ((i = 0; i < count; i++)); do
    local own=("${gpus[@]:$((i * TP)):$TP}")
    # A session of its own: its workers end with it, and Ctrl-C here does not reach it.
    CUDA_VISIBLE_DEVICES=$(IFS=,; echo "${own[*]}") setsid "$VLLM" serve "$MODEL" \
      --host "$HOST" --port "$((PORT + i))" \
      --tensor-parallel-size "$TP" \
      --max-model-len "$MAX_MODEL_LEN" \
      --max-num-seqs "$MAX_NUM_SEQS" \
      --gpu-memory-utilization "$MEMORY" \
      --limit-mm-per-prompt '{"image": 8, "video": 0}' \
      --mm-processor-kwargs '{"max_pixels": 3000000}' \
      "$@" </dev/null >"$FLEET_DIR/$((PORT + i)).log" 2>&1 &
    echo "$! $((PORT + i)) $MODEL" >>"$FLEET_DIR/replicas"
  done
  wait_for_all
}

wait_for_all() {
  local end=$((SECONDS + PATIENCE)) id port model
  while read -r id port model; do
    until answers "$port" "$model"; do
      if ! kill -0 "$id" 2>/dev/null; then
        tail -n 20 "$FLEET_DIR/$port.log" >&2
        stop
        fail "the replica at port $port has ended; its log, $FLEET_DIR/$port.log, ends as above" 3
      fi
      if [ "$SECONDS" -ge "$end" ]; then
        stop
        fail "port $port did not answer within $PATIENCE s: see $FLEET_DIR/$port.log, or raise PATIENCE" 3
      fi
      sleep 1
    done
    echo "port $port answers: $model"
  done < <(replicas)
  urls
}

health() {
  local bad=0 any=0 id port model
  while read -r id port model; do
    any=1
    if answers "$port" "$model"; then
      echo "port $port answers: $model"
    else
      echo "port $port does not answer: see $FLEET_DIR/$port.log"
      bad=1
    fi
  done < <(replicas)
  [ "$any" = 1 ] || fail "expected a fleet in $FLEET_DIR, found none: bash fleet.sh start"
  return "$bad"
}

urls() {
  local list="" id port model name=$HOST
  [ "$HOST" != 0.0.0.0 ] || name=$(hostname)
  while read -r id port model; do
    list+="${list:+,}http://$name:$port/v1"
  done < <(replicas)
  [ -n "$list" ] || fail "expected a fleet in $FLEET_DIR, found none: bash fleet.sh start"
  echo "--set judge.base_url=[$list]"
}

stop() {
  local id port model
  while read -r id port model; do
    ! runs "$id" "$port" || kill -TERM -- "-$id" 2>/dev/null || true
  done < <(replicas)
  while read -r id port model; do
    local end=$((SECONDS + 30))
    while runs "$id" "$port"; do
      [ "$SECONDS" -lt "$end" ] || kill -KILL -- "-$id" 2>/dev/null || true
      sleep 0.2
    done
    echo "port $port: stopped"
  done < <(replicas)
  rm -f "$FLEET_DIR/replicas"
}

command=${1:-}
[ "$#" -eq 0 ] || shift
case $command in
  start) start "$@" ;;
  health | urls | stop) "$command" ;;
  *) fail "expected start, health, urls or stop, found '${command}'" ;;
esac
