#!/bin/sh
# How a build server keeps a restorer from getting worse: measure once and keep the scores, then compare every later run
# with them. On demo audio, the same run passes, and one file that is damaged on purpose fails with status 4.
#
#   [DATA=folder] [CHAIN=damages] [OUT=folder] sh recipes/ci-regression.sh
#
# In your own project, keep baseline.jsonl with your code and run the second `eval` on each change. Paths are relative to
# the working directory. Exits with 0 if the gate passed the first run and stopped the second.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
CHAIN=${CHAIN:-'mp3:kbps=64|gain:gain_db=-3'}
OUT=${OUT:-$here/runs/ci-regression}
sh "$here/install.sh"
PATH=$here/../.venv/bin:$PATH
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

mkdir -p "$OUT"
if [ -z "${DATA:-}" ]; then
    DATA=$OUT/demo
    [ -d "$DATA" ] || audiorestore demo "$DATA" > "$OUT/demo.jsonl"
fi

echo "== degrade, pair, train one gain, restore" >&2
audiorestore degrade "$DATA" --chain "$CHAIN" --jobs 2 -o "$OUT/degraded" > "$OUT/degraded.jsonl"
audiorestore pair "$OUT/degraded.jsonl" --jobs 2 --split 50:50 > "$OUT/pairs.jsonl"
grep '"split": "test"' "$OUT/pairs.jsonl" > "$OUT/test.jsonl"
audiorestore train level "$OUT/pairs.jsonl" -f -o "$OUT/level.safetensors" > "$OUT/trained.json"
audiorestore restore -f --model "$OUT/level.safetensors" "$OUT/test.jsonl" -o "$OUT/restored" > "$OUT/restored.jsonl"

# gate [OPTION...] : what the build server runs; its stdout can become the next baseline.
gate() {
    audiorestore eval "$OUT/restored.jsonl" --metric snr --metric lsd --jobs 2 \
        --require 'restored.snr_db>=degraded.snr_db' "$@" > "$OUT/new.jsonl"
}

echo "== measure, and keep the scores" >&2
gate
cp "$OUT/new.jsonl" "$OUT/baseline.jsonl"

echo "== the same run passes" >&2
gate --baseline "$OUT/baseline.jsonl" --tolerance lsd_db=0.05 --junit "$OUT/passed.xml"
cmp "$OUT/new.jsonl" "$OUT/baseline.jsonl"

echo "== a run with one damaged file is stopped" >&2
victim=$(sed -n '1s/.*"restored": "\([^"]*\)".*/\1/p' "$OUT/restored.jsonl")
audiorestore degrade "$victim" --chain hiss:snr_db=10 -f -o "$OUT/damaged" > "$OUT/damaged.jsonl"
cp "$OUT/damaged/$(basename "$victim")" "$victim"
status=0
gate --baseline "$OUT/baseline.jsonl" --tolerance lsd_db=0.05 --junit "$OUT/stopped.xml" || status=$?
if [ "$status" -ne 4 ]; then
    echo "the gate exited with $status, not with 4" >&2
    exit 1
fi
echo "The gate passed the first run and stopped the second: see $OUT/stopped.xml"
