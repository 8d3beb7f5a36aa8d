#!/bin/sh
# Compare families on the same recordings: degrade, pair, train each with the same budget, restore, quantize to int8,
# measure, and write one table, with the two rows that do nothing.
#
#   [DATA=folder] [CHAIN=damages] [BUDGET=60s] [PRESET=small] [FAMILIES="mlp cnn"] [POST=command] [OUT=folder] \
#       sh recipes/compare.sh
#   make -C recipes -j2 compare DATA=folder        the same, two families at a time
#
# Without DATA it runs on a minute of demo audio that the program renders, without FAMILIES on all that `ar models`
# lists. BUDGET is the training of each family: 60s, 10m, or a number of steps such as 500. Paths are relative to the
# working directory. An interrupted run continues when it is started again; other recordings, another chain, budget,
# preset, or version make another run. It needs make: compare.mk says which file is made from which, and how.
#
# Each stage is a file in the run's folder, and is made only if it is missing, or older than what it is made from:
#
#   degraded.jsonl  pairs.jsonl  test.jsonl       records; put your own there to replace a stage
#   FAMILY/trained.json  FAMILY/model.safetensors   FAMILY/int8.json  FAMILY/int8.safetensors
#   FAMILY/float.jsonl  FAMILY/int8.jsonl           what `ar restore` wrote; any program may write such records
#   FAMILY/float.csv  FAMILY/int8.csv  report.md    the measurements
#
# POST is run on each restored file, $IN to $OUT: equalisation or dynamics after restoring, for instance
#
#   POST='sox "$IN" "$OUT" treble +2 6k compand 0.02,0.2 -60,-60,-20,-16,0,-6' sh recipes/compare.sh
#   POST='ffmpeg -v error -y -i "$IN" -af treble=g=2:f=6000,acompressor "$OUT"' sh recipes/compare.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export CHAIN="${CHAIN:-mp3:kbps=64|hiss:snr_db=15..25}" BUDGET="${BUDGET:-60s}" PRESET="${PRESET:-small}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # of each training; small networks gain little from more

. "$here/steps.sh"

refuse() {
    echo "$*" >&2
    exit 2
}

sh "$here/install.sh"
PATH="$(dirname "$here")/.venv/bin:$PATH"
case $BUDGET in
*[!0-9.]*[sm] | [sm] | *[!0-9.sm]* | '') refuse "BUDGET=$BUDGET is neither seconds (60s), minutes (10m) nor steps (500)" ;;
*s) training="--minutes $(echo "${BUDGET%s}" | awk '{ print $1 / 60 }')" ;;
*m) training="--minutes ${BUDGET%m}" ;;
*) training="--steps $BUDGET" ;;
esac
known=$(audiorestore models --names)
for family in ${FAMILIES:=$known}; do
    echo "$known" | grep -qx -- "$family" || refuse "FAMILIES: there is no family $family; there are:" $known
done
# The two that do nothing are always there, and come first.
rows=$(printf '%s\n' identity level $FAMILIES | awk '!seen[$1]++' | tr '\n' ' ')
if [ -z "${DATA:-}" ]; then
    data=$here/runs/demo-audio
    name=demo
    make_file "$here/runs/demo-audio.jsonl" audiorestore demo "$data"
elif [ -d "$DATA" ]; then
    data=$(cd "$DATA" && pwd)
    name=$(basename "$data" | tr -c 'A-Za-z0-9._\n-' _)
else
    refuse "DATA=$DATA is not a folder"
fi
if [ "$(find -L "$data" -type f | wc -l)" -lt 3 ]; then
    refuse "at least 3 recordings are needed in DATA, for training, validation and the test"
fi
key=$({
    echo "$CHAIN|$BUDGET|$PRESET|${POST:-}"
    audiorestore --version
    cat "$here/compare.sh" "$here/compare.mk" "$here/steps.sh"
    find -L "$data" -type f -exec cksum {} + | sort
} | cksum | cut -d ' ' -f 1)
run=${OUT:-$here/runs}/$name-$key
mkdir -p "$run"
trap 'echo "interrupted; run the same command again to continue" >&2; exit 130' INT
"${MAKE:-make}" --no-print-directory -C "$run" -f "$here/compare.mk" \
    recipes="$here" here="$PWD" data="$data" rows="$rows" training="$training" report.md >&2
cat "$run/report.md"
