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
trap 'echo "interrupted; run the same command again to go on" >&2; exit 130' INT

# Commands end with 3 where some files failed, as they have told: the others go on.
but_some() { "$@" || [ $? -eq 3 ]; }

runs=$here/runs
if [ -z "${DATA:-}" ]; then
    DATA=$runs/demo-audio
    name=demo
    mkdir -p "$runs"
    echo "== a minute of demo audio: $DATA" >&2
    audiorestore demo "$DATA" > "$runs/demo-audio.jsonl"
elif [ -d "$DATA" ]; then
    name=$(basename "$(cd "$DATA" && pwd)")
else
    echo "DATA=$DATA is not a folder" >&2
    exit 2
fi
if [ "$(find "$DATA" -type f | wc -l)" -lt 3 ]; then
    echo "the quickstart needs at least 3 recordings in DATA, for training, validation and the test" >&2
    exit 2
fi
# Other recordings, another chain or another recipe make another run: what was trained before is not taken for trained on these.
key=$({ printf '%s' "$CHAIN"; cat "$here/quickstart.sh"; find "$DATA" -type f -exec cksum {} + | sort; } | cksum | cut -d ' ' -f 1)
OUT=${OUT:-$runs}/$name-$key
mkdir -p "$OUT"

echo "== damage: $CHAIN" >&2
but_some audiorestore degrade "$DATA" --chain "$CHAIN" --jobs 2 -o "$OUT/degraded" > "$OUT/degraded.jsonl"
echo "== pair: lag, level, and a split for each recording" >&2
but_some audiorestore pair "$OUT/degraded.jsonl" --level match --split 60:20:20 \
    -o "$OUT/matched" > "$OUT/pairs.jsonl"
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
        $1 == "restored" { mean[$2] = $4; gain[$2] = $6; files = $3 }
        END { printf "%s %d %.2f (%+.2f) %.2f (%+.2f) %.2f (%+.2f) %.2e\n", family, files, mean["snr_db"],
              gain["snr_db"], mean["si_sdr_db"], gain["si_sdr_db"], mean["lsd_db"], gain["lsd_db"], mean["mse"] }
        ' "$OUT/$family.csv"
done > "$OUT/table.txt"
awk '
    NR == 1 {
        print "On the test split, " $2 " recording(s), restored by each family; identity is doing nothing, level one gain."
        print "In brackets: how much better than doing nothing (+ is better; LSD and MSE: lower is better)."
        printf "%-10s %17s %17s %17s %10s\n", "family", "SNR dB", "SI-SDR dB", "LSD dB", "MSE"
    }
    { printf "%-10s %8s %8s %8s %8s %8s %8s %10s\n", $1, $3, $4, $5, $6, $7, $8, $9 }' "$OUT/table.txt"
# The choice is made on the validation split: the test split is for reporting only.
best=$(for family in $(audiorestore models --names); do
    sed -n "s/.*\"snr_db\": {\"restored\": \([-0-9.e]*\).*/\1 $family/p" "$OUT/$family.json"
done | sort -g -r | awk 'NR == 1 { print $2 }')
echo
case $best in
identity | level) echo "No model helped here. To try one on a file of your own all the same:"; best=mlp ;;
*) echo "Small models, trained for a minute: $best did best on the validation split. To restore a file of your own with it:" ;;
esac
echo "  '$root/.venv/bin/ar' restore --model '$OUT/$best.safetensors' YOUR-FILE.mp3 -o restored.wav"
