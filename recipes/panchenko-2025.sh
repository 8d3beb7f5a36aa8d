#!/bin/sh
# Panchenko et al., ProfiT AI 2025, Table 11 without the U-Net: `mlp` and `cnn` on speech at 96 kbit/s, the paper's own
# form (paper) and predicting the correction (paper-residual), at the degraded level (keep, as in the paper) and with
# the encoder's gain undone (match); beside doing nothing and one fitted gain.
#
#   DATA=folder-of-recordings [STEPS=5000] [OUT=folder] sh recipes/panchenko-2025.sh
#
# Paths are relative to where you stand. Run again after an interruption, it goes on where it was. With STEPS=5000 and
# three minutes of speech it takes about an hour on two cores. The table goes to stdout and to $OUT/table.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$here/../.venv/bin/audiorestore" ] && PATH="$here/../.venv/bin:$PATH"
: "${DATA:?give DATA=folder of audio files}"
STEPS=${STEPS:-5000}
OUT=${OUT:-runs/panchenko-2025}
mkdir -p "$OUT"

audiorestore degrade "$DATA" --chain mp3:kbps=96 --jobs 2 -o "$OUT/degraded" > "$OUT/degraded.jsonl"
for level in keep match; do
    work=$OUT/$level
    mkdir -p "$work"
    audiorestore pair "$OUT/degraded.jsonl" --level "$level" --seed 1 -o "$work" > "$work/pairs.jsonl"
    grep '"split": "test"' "$work/pairs.jsonl" > "$work/test.jsonl"
    for family in mlp cnn; do
        for preset in paper paper-residual; do
            audiorestore train "$family" "$work/pairs.jsonl" --preset "$preset" --steps "$STEPS" --resume \
                -o "$work/$family-$preset.safetensors" > "$work/$family-$preset.json"
        done
    done
    [ -f "$work/level.safetensors" ] || audiorestore train level "$work/pairs.jsonl" -o "$work/level.safetensors"
done

{
    echo "| level | model | test files | MSE | SNR dB | SI-SDR dB | LSD dB |"
    echo "|---|---|---:|---:|---:|---:|---:|"
    for level in keep match; do
        work=$OUT/$level
        for model in identity level mlp-paper mlp-paper-residual cnn-paper cnn-paper-residual; do
            file=$work/$model.safetensors
            [ "$model" = identity ] && file=identity
            audiorestore restore -f --model "$file" -o "$work/$model" "$work/test.jsonl" > "$work/$model.restored.jsonl"
            audiorestore eval "$work/$model.restored.jsonl" --format csv > "$work/$model.csv" 2> "$work/$model.txt"
            awk -F, -v level="$level" -v model="$model" '
                $1 == "restored" { mean[$2] = $4; files = $3 }
                END { printf "| %s | %s | %d | %.3e | %.2f | %.2f | %.2f |\n", level, model, files,
                      mean["mse"], mean["snr_db"], mean["si_sdr_db"], mean["lsd_db"] }' "$work/$model.csv"
        done
    done
} > "$OUT/table.md"
cat "$OUT/table.md"
