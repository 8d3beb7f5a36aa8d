#!/bin/sh
# Deshpande et al. 2021: Table 1 for all six systems on the same thirds of songs, with rows that the paper lacks, and
# Figures 2 to 4.
#
#   DATA=folder-of-music [SCALE=smoke|small|paper] [MINUTES=4] [JOBS=2] [OUT=folder] sh recipes/deshpande-2021.sh
#
# SCALE=smoke  two training steps each, to check that everything runs
#       small  presets `small`, MINUTES of training for each system and one for each loss of Figure 2: under 40 minutes
#              with JOBS=2 on two cores (the default scale)
#       paper  the paper's networks and schedules: days; for a machine with an accelerator
#
# As in the paper, songs are cut into thirds, mono at 22,050 Hz, and encoded as MP3 at 128 kbit/s, the target, which is
# encoded again at 32 kbit/s, the input. Unlike in the paper, the thirds of a song are always in one split; the level of
# the input is matched to the target's (an encoder multiplies it by 0.95, which is a change of volume, not damage); and
# everything is also measured relative to the lossless original. The table also has the two rows without restoration and
# each network in int8. The paper gives no seed, split or recordings, so its numbers are shown for orientation only.
#
# Times are for restoring 100,000 samples, as `ar quantize` measures both forms in one run. Compare ratios to N=1;
# milliseconds of two machines cannot be compared. Needs pip install 'audiorestore[speech]' for PESQ and STOI.
# Paths are relative to the working directory. An interrupted run can simply be repeated; other settings need
# another OUT. The report goes to stdout and to OUT/report.md, the pictures to OUT/figures.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${DATA:?give DATA=folder of music}"
SCALE=${SCALE:-small}
OUT=${OUT:-runs/deshpande-2021-$SCALE}
JOBS=${JOBS:-2}
MINUTES=${MINUTES:-4}
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
case $SCALE in
smoke) small=small n1=small n5=paper-5 budget='--steps 2' loss_budget='--steps 2' ;;
small) small=small n1=small n5=small budget="--minutes $MINUTES" loss_budget='--minutes 1' ;;
paper) small=paper n1=paper n5=paper-5 budget='' loss_budget='' ;;
*) echo "SCALE=$SCALE is neither smoke, small nor paper" >&2; exit 2 ;;
esac

# name | family | preset | setting | the paper's SNR, PESQ, LSD, STOI, ms
systems() {
    echo "audiounet|audiounet|$small||16.7353|2.6296|2.3340|0.9996|27.7"
    echo "resample|resample|paper||18.0077|4.3039|2.6845|0.9913|"
    echo "tfilm|tfilm|$small||9.9723|3.6352|2.6497|0.9635|75.9"
    echo "wavenet|wavenet|$small||13.6910|4.1743|3.1490|0.9881|86.9"
    echo "autoencoder-1|autoencoder|$n1|depth=1|21.2532|4.3599|1.5909|0.9910|7.74"
    echo "autoencoder-5|autoencoder|$n5|depth=5|20.8868|4.1197|1.8152|0.9894|20.8"
}

losses='mse mae kl log_spectral pixel ssim pixel+ssim'

. "$here/steps.sh"

# measured NAME : both forms of a restored test split, against the target and against the original.
measured() {
    make_file "$OUT/$1/target.csv" audiorestore eval "$OUT/$1/restored.jsonl" $metrics --format csv
    # Records have OUT as the program writes it, even if it was given as ./runs or runs/.
    sed 's|\("reference": "\([^"]*/\)\{0,1\}\)target/|\1thirds/|' "$OUT/$1/restored.jsonl" > "$OUT/$1/original.jsonl"
    make_file "$OUT/$1/original.csv" audiorestore eval "$OUT/$1/original.jsonl" $metrics --format csv
}

# one NAME FAMILY PRESET SETTING : train, restore, quantize, restore again, measure everything.
one() {
    name=$1 family=$2 preset=$3 setting=$4
    echo "== $name" >&2
    mkdir -p "$OUT/$name"
    model=$OUT/$name/model.safetensors
    make_file "$OUT/$name/trained.json" audiorestore train "$family" "$OUT/pairs.jsonl" --preset "$preset" $budget \
        ${setting:+--set "$setting"} --resume -o "$model" 2>> "$OUT/$name/log.txt"
    make_file "$OUT/$name/restored.jsonl" audiorestore restore -f --model "$model" "$OUT/test.jsonl" -o "$OUT/$name/restored"
    measured "$name"
    case $family in resample | level | identity) return ;; esac
    make_file "$OUT/$name/int8.json" audiorestore quantize -f "$model" --pairs "$OUT/test.jsonl" \
        -o "$OUT/$name/int8.safetensors" 2>> "$OUT/$name/log.txt"
    mkdir -p "$OUT/$name-int8"
    make_file "$OUT/$name-int8/restored.jsonl" audiorestore restore -f --model "$OUT/$name/int8.safetensors" \
        "$OUT/test.jsonl" -o "$OUT/$name-int8/restored"
    measured "$name-int8"
}

# loss NAME : the same small network trained with another loss, and its picture.
loss() {
    echo "== loss $1" >&2
    place=$OUT/losses/$1
    mkdir -p "$place"
    make_file "$place/trained.json" audiorestore train autoencoder "$OUT/pairs.jsonl" --preset "$n1" $loss_budget \
        --set "loss=$1" --resume -o "$place/model.safetensors" 2>> "$place/log.txt"
    make_file "$place/restored.jsonl" audiorestore restore -f --model "$place/model.safetensors" "$OUT/test.jsonl" -o "$place/restored"
    make_file "$place/target.csv" audiorestore eval "$place/restored.jsonl" --metric snr --metric lsd --metric ssim --format csv
    head -n 1 "$place/restored.jsonl" | audiorestore eval --metric snr --plot "$OUT/figures/2-loss-$1" > /dev/null 2>> "$place/log.txt"
}

# line NAME LABEL PAPER... : one row of Table 1; relative to the original after one gain, because the target's level is
# lower than the original's; time in ms for 100,000 samples.
line() {
    name=$1 label=$2
    shift 2
    ms=
    base=${name%-int8}
    if [ -f "$OUT/$base/int8.json" ]; then
        form=float
        [ "$name" = "$base" ] || form=int8
        ms=$(number "$OUT/$base/int8.json" times_real_time $form | awk '{ printf "%.1f", 100000 / 22050 / $1 * 1000 }')
    fi
    awk -F, -v label="$label" -v ms="${ms:-–}" -v paper="${*:-}" '
        function shown(n, key, style) { return (n, key) in mean ? sprintf(style, mean[n, key]) : "–" }
        FNR == 1 { row = ++file == 1 ? "restored" : "restored_leveled" }
        $1 == row && $4 != "" { mean[file, $2] = $4 }
        END {
            gsub(/ /, " / ", paper)
            printf "| %s | %s |", label, paper
            printf " %s | %s | %s | %s | %s |", shown(1, "snr_db", "%.2f"), shown(1, "pesq_wb", "%.2f"),
                shown(1, "lsd_deshpande", "%.3f"), shown(1, "lsd_db", "%.2f"), shown(1, "stoi", "%.4f")
            printf " %s | %s | %s | %s |\n", shown(2, "snr_db", "%.2f"), shown(2, "pesq_wb", "%.2f"),
                shown(2, "lsd_deshpande", "%.3f"), ms
        }' "$OUT/$name/target.csv" "$OUT/$name/original.csv"
}

report() {
    echo "Test split: $(wc -l < "$OUT/test.jsonl" | tr -d ' ') thirds of songs, $(wc -l < "$OUT/pairs.jsonl" | tr -d ' ') in all; SCALE=$SCALE, trained with ${budget:-the presets' own budgets}, $OMP_NUM_THREADS thread(s)."
    echo "identity is doing nothing, level one gain. SNR, PESQ, LSD (eq. 6), lsd_db, STOI against the 128 kbit/s target; SNR,"
    echo "PESQ and LSD again against the lossless original, after one gain."
    echo
    echo "| system | paper: SNR / PESQ / LSD / STOI / ms | SNR dB | PESQ | LSD | lsd_db | STOI | SNR, original | PESQ | LSD | ms |"
    echo "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for name in identity level; do line $name $name; done
    systems | while IFS='|' read -r name family preset setting snr pesq lsd stoi ms; do
        line "$name" "$name" "$snr" "$pesq" "$lsd" "$stoi" ${ms:+"$ms"}
        if [ -f "$OUT/$name-int8/target.csv" ]; then line "$name-int8" "$name, int8"; fi
    done
    echo
    echo "| loss | SNR dB | LSD | lsd_db | SSIM |"
    echo "|---|---:|---:|---:|---:|"
    for loss in $losses; do
        awk -F, -v loss="$loss" '$1 == "restored" { mean[$2] = $4 } END {
            printf "| %s | %.2f | %.3f | %.2f | %.4f |\n", loss, mean["snr_db"], mean["lsd_deshpande"], mean["lsd_db"], mean["ssim"]
        }' "$OUT/losses/$loss/target.csv"
    done
    echo
    echo "Figures: $OUT/figures (2: one picture a loss; 3 and 4: autoencoder-1 beside input and target, with phases)."
}

sh "$here/install.sh" speech
PATH=$here/../.venv/bin:$PATH
metrics='--metric snr --metric lsd --metric pesq --metric stoi'
# last_words_of LOG : when a stage whose messages go to a file fails, show the end of that file.
last_words_of() { log=$1; trap '[ $? -eq 0 ] || { echo "failed; the end of $log:"; tail -n 2 "$log"; } >&2' EXIT; }

case ${1:-} in
one) last_words_of "$OUT/$2/log.txt"; one "$2" "$3" "$4" "$5"; exit ;;
loss) last_words_of "$OUT/losses/$2/log.txt"; loss "$2"; exit ;;
esac

trap 'echo "interrupted; run the same command again to continue" >&2; exit 130' INT
export DATA SCALE OUT JOBS MINUTES
mkdir -p "$OUT"
settings="DATA=$DATA SCALE=$SCALE MINUTES=$MINUTES OMP_NUM_THREADS=$OMP_NUM_THREADS"
[ -f "$OUT/settings" ] || echo "$settings" > "$OUT/settings"
if [ "$(cat "$OUT/settings")" != "$settings" ]; then
    echo "$OUT holds a run with $(cat "$OUT/settings"), and this is one with $settings: give another OUT" >&2
    exit 2
fi
"$here/../.venv/bin/python" "$here/songs-in-thirds" "$DATA" "$OUT/thirds"
make_file "$OUT/target.jsonl" audiorestore degrade "$OUT/thirds" --chain mp3:kbps=128 --jobs "$JOBS" -f -o "$OUT/target"
make_file "$OUT/input.jsonl" audiorestore degrade "$OUT/target" --chain mp3:kbps=32 --jobs "$JOBS" -f -o "$OUT/input"
make_file "$OUT/pairs.jsonl" audiorestore pair "$OUT/input.jsonl" --level match --group-by 'path:([^/]*)-[123]\.wav$' \
    --split 80:10:10 --jobs "$JOBS" -o "$OUT/matched"
# A pair that was shifted is shorter than its original and not aligned with it: it is used for training, not for testing.
make_file "$OUT/test.jsonl" grep '"reference": "\([^"]*/\)\{0,1\}target/.*"split": "test"' "$OUT/pairs.jsonl"

for name in identity level; do [ -f "$OUT/$name/original.csv" ] || one $name $name small ''; done
systems | while IFS='|' read -r name family preset setting rest; do
    printf 'one\0%s\0%s\0%s\0%s\0' "$name" "$family" "$preset" "$setting"
done | xargs -0 -n 5 -P "$JOBS" sh "$0"
for loss in $losses; do printf 'loss\0%s\0' "$loss"; done | xargs -0 -n 2 -P "$JOBS" sh "$0"
head -n 1 "$OUT/autoencoder-1/restored.jsonl" |
    audiorestore eval --metric snr --plot "$OUT/figures/3-and-4" > /dev/null 2>> "$OUT/autoencoder-1/log.txt"
report > "$OUT/report.md.part"
mv "$OUT/report.md.part" "$OUT/report.md"
cat "$OUT/report.md"
