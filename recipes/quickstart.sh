#!/bin/sh
# The whole chain in a few minutes: damage recordings, pair, train a small model of every family, restore, compare.
#
#   [DATA=folder] [CHAIN=damages] [OUT=folder] sh recipes/quickstart.sh
#
# Without DATA it runs on a minute of demo audio that the program renders. Paths are relative to where you stand.
# Run again after an interruption, it goes on where it was.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
sh "$here/install.sh"
PATH="$root/.venv/bin:$PATH"
CHAIN=${CHAIN:-'mp3:kbps=64|hiss:snr_db=15..25'}
# Commands end with 3 where some files failed, as they have told: the others go on.
but_some() { "$@" || [ $? -eq 3 ]; }

# Another folder or chain is another run.
run() { printf '%s' "$1 $CHAIN" | cksum | cut -d ' ' -f 1; }
if [ -n "${DATA:-}" ]; then
    OUT=${OUT:-$here/runs/quickstart-$(basename "$DATA")-$(run "$(cd "$DATA" && pwd)")}
    mkdir -p "$OUT"
else
    OUT=${OUT:-$here/runs/quickstart-demo-$(run demo)}
    mkdir -p "$OUT"
    echo "== a minute of demo audio: $OUT/audio" >&2
    audiorestore demo "$OUT/audio" > "$OUT/audio.jsonl"
    DATA=$OUT/audio
fi

echo "== damage: $CHAIN" >&2
but_some audiorestore degrade "$DATA" --chain "$CHAIN" --jobs 2 -o "$OUT/degraded" > "$OUT/degraded.jsonl"
echo "== pair: lag, gain, and a split for each recording" >&2
but_some audiorestore pair "$OUT/degraded.jsonl" --split 70:15:15 -o "$OUT/aligned" > "$OUT/pairs.jsonl"
grep '"split": "test"' "$OUT/pairs.jsonl" > "$OUT/test.jsonl"

for family in $(audiorestore models --names); do
    model=$OUT/$family.safetensors
    if [ ! -f "$OUT/$family.json" ]; then
        echo "== train $family" >&2
        but_some audiorestore train "$family" "$OUT/pairs.jsonl" --preset small --resume -o "$model" > "$OUT/$family.part"
        mv "$OUT/$family.part" "$OUT/$family.json"
    fi
    echo "== restore the test split with $family" >&2
    but_some audiorestore restore -f --model "$model" "$OUT/test.jsonl" -o "$OUT/restored/$family" > "$OUT/$family.restored.jsonl"
    but_some audiorestore eval "$OUT/$family.restored.jsonl" --format csv > "$OUT/$family.csv" 2> "$OUT/$family.txt"
done

echo >&2
for family in $(audiorestore models --names); do
    awk -F, -v family="$family" '
        $1 == "restored" { mean[$2] = $4; gain[$2] = $6 }
        END { printf "%s %.2f (%+.2f) %.2f (%+.2f) %.2f (%+.2f) %.2e\n", family, mean["snr_db"], gain["snr_db"],
              mean["si_sdr_db"], gain["si_sdr_db"], mean["lsd_db"], gain["lsd_db"], mean["mse"] }' "$OUT/$family.csv"
done | awk '
    BEGIN {
        print "On the test split (in brackets: gain over doing nothing, which is the identity row)"
        printf "%-10s %17s %17s %17s %10s\n", "family", "SNR dB", "SI-SDR dB", "LSD dB", "MSE"
    }
    { printf "%-10s %8s %8s %8s %8s %8s %8s %10s\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
echo
echo "To restore a file of your own:"
echo "  '$root/.venv/bin/ar' restore --model '$OUT/mlp.safetensors' YOUR-FILE.mp3 -o restored.wav"
