#!/bin/sh
# Panchenko et al., ProfiT AI 2025: the sweep behind Tables 1-10, and Table 11 with the rows that the paper lacks.
#
#   DATA=folder-of-speech [SCALE=smoke|small|paper] [JOBS=2] [OUT=folder] sh recipes/panchenko-2025.sh
#
# SCALE=smoke  two steps each, to see that all of it runs
#       small  about 20 CPU seconds a network: 3,200 steps of 256 windows (mlp), 2,000 of 64 (cnn), 300 of 20 (unet); about
#              an hour in all with JOBS=1 (the default scale)
#       paper  the presets' own steps; for a machine with an accelerator
#
# Tables 1-10 compare settings, so they are measured on the validation split; the test split is opened for Table 11
# alone. Their networks have the paper's own form at the MP3's own level. Table 11 has both forms (paper, and
# paper-residual, which predicts the correction) at both levels (keep, as in the paper, and match, with the encoder's
# gain undone), beside doing nothing (identity) and one fitted gain (level). Figure 1 is OUT/figures.
#
# Paths are relative to the working directory. After an interruption, run it again: it continues where it stopped. The
# report goes to stdout and to OUT/report.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$here/../.venv/bin/audiorestore" ] && PATH="$here/../.venv/bin:$PATH"
: "${DATA:?give DATA=folder of audio files}"
SCALE=${SCALE:-small}
OUT=${OUT:-runs/panchenko-2025-$SCALE}
JOBS=${JOBS:-2}
export DATA SCALE OUT OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
case $SCALE in
smoke | small | paper) ;;
*) echo "SCALE=$SCALE is neither smoke, small nor paper" >&2; exit 2 ;;
esac

rows_of_table_11='identity level mlp-paper mlp-paper-residual cnn-paper cnn-paper-residual unet-paper unet-paper-residual'

# table | row | column | family | settings
sweep() {
    for layers in 7 15; do
        for activation in tanh relu silu; do  # the third row of the paper's table says Tanh again; its text says SiLU
            echo "1|$activation|$layers layers|mlp|layers=$layers activation=$activation parameters=100000"
        done
    done
    for layers in 1 3 5 7 11 19; do
        for budget in 5000 50000 500000; do
            echo "2|$layers layers|$budget|mlp|layers=$layers parameters=$budget"
        done
    done
    for pooling in max avg lp2 lp3; do
        echo "3|$pooling||mlp|pooling=$pooling"
    done
    for dilation in 1 2 4 8 10; do
        for kernel in 3 5 7; do
            echo "4|dilation $dilation|kernel $kernel|cnn|kernel_sizes=$kernel dilation=$dilation pooling=none"
        done
    done
    for kernels in 5/3/3 5/5/3 5/5/5 7/5/3 7/5/5 7/7/3 7/7/5 9/5/3; do
        for dilation in 2 4 6; do
            echo "5|$kernels|dilation $dilation|cnn|kernel_sizes=$kernels dilation=$dilation pooling=none"
        done
    done
    for pooling in max avg lp2 lp3; do
        echo "6|$pooling||cnn|pooling=$pooling"
    done
    for layers in 1 3 5 7; do  # without pooling: the first number of the paper's table is that of Table 5
        echo "7|$layers dense layers||cnn|dense_layers=$layers pooling=none"
    done
    for budget in 50000 200000 400000 1200000 5000000; do
        echo "8|$budget||unet|parameters=$budget levels=3"
    done
    for levels in 2 4 6; do
        echo "9|$levels levels||unet|levels=$levels"
    done
    echo "9|8 levels||unet|levels=8 window=256 segment_frames=256"  # 192 samples cannot be halved eight times
    for kernel in 3 5 7 9; do
        echo "10|kernel $kernel||unet|kernel_size=$kernel"
    done
}

# The paper's numbers, in the order of the rows above.
in_the_paper() {
    echo 2.22e-4 2.55e-4 2.13e-4 2.51e-4 4.11e-4 5.08e-4
    echo 1.72e-4 1.69e-4 1.92e-4 1.65e-4 1.61e-4 1.63e-4 1.68e-4 1.92e-4 1.73e-4
    echo 1.8e-4 2.07e-4 2.16e-4 1.8e-4 2.09e-4 2.44e-4 2.08e-4 2.21e-4 3.11e-4
    echo 1.78e-4 1.66e-4 2.2e-4 2.37e-4
    echo 1.61e-4 1.62e-4 1.68e-4 1.6e-4 1.58e-4 1.68e-4 1.65e-4 1.63e-4 1.78e-4
    echo 1.73e-4 1.8e-4 1.93e-4 1.81e-4 1.84e-4 2.09e-4
    echo 1.65e-4 1.71e-4 1.8e-4 1.61e-4 1.74e-4 1.79e-4 1.51e-4 1.68e-4 1.8e-4 1.39e-4 1.67e-4 1.82e-4
    echo 1.45e-4 1.68e-4 1.94e-4 1.59e-4 1.67e-4 2.01e-4 1.54e-4 1.72e-4 1.98e-4 1.57e-4 1.81e-4 2.11e-4
    echo 1.43e-4 1.37e-4 1.62e-4 1.7e-4
    echo 1.39e-4 1.42e-4 1.46e-4 1.55e-4
    echo 3.82e-4 3.42e-4 3.18e-4 4.03e-4 4.98e-4
    echo 3.44e-4 3.11e-4 3.24e-4 3.32e-4
    echo 3.11e-4 3.43e-4 3.64e-4 3.81e-4
}

. "$here/steps.sh"

# Name the files of a row of the sweep.
name_of() { echo "$1" | cut -d '|' -f 1-3 | tr -c 'a-z0-9\n' -; }

# Train one row of the sweep, unless it was done before.
row() {
    name=$(name_of "$1")
    family=$(echo "$1" | cut -d '|' -f 4)
    [ -f "$OUT/sweep/$name.json" ] && return
    learn "$family" "$OUT/keep/pairs.jsonl" paper "$OUT/sweep/$name" $(echo "$1" | cut -d '|' -f 5)
}

# Train one row of Table 11, unless it was done before.
last() {
    [ -f "$OUT/$1/$2-$3.json" ] || learn "$2" "$OUT/$1/pairs.jsonl" "$3" "$OUT/$1/$2-$3"
}

# learn FAMILY PAIRS PRESET OUTPUT SETTING... : train, and say in one line how it ended.
learn() {
    family=$1 pairs=$2 preset=$3 output=$4
    shift 4
    case $SCALE-$family in
    small-mlp) steps=3200 ; set -- batch_size=256 "$@" ;;
    small-cnn) steps=2000 ; set -- batch_size=64 learning_rate=0.01 "$@" ;;
    small-unet) steps=300 ; set -- batch_size=20 "$@" ;;
    smoke-*) steps=2 ;;
    paper-*) steps= ;;
    esac
    [ "$SCALE" = paper ] || set -- "validate_every=$steps" validation_seconds=15 "$@"
    for setting; do set -- "$@" --set "$setting"; shift; done
    if audiorestore train "$family" "$pairs" --preset "$preset" ${steps:+--steps "$steps"} --resume "$@" \
        -o "$output.safetensors" > "$output.part" 2> "$output.txt"; then
        rm -f "$output.state.safetensors"
        mv "$output.part" "$output.json"
        echo "$output: $(grep kept "$output.txt")" >&2
    else
        tail -n 1 "$output.txt" >&2
        return 1
    fi
}

case ${1:-} in
row | last) "$@"; exit ;;
esac

trap 'echo "interrupted; run the same command again to continue" >&2; exit 130' INT
mkdir -p "$OUT/sweep"
audiorestore degrade "$DATA" --chain mp3:kbps=96 --jobs 2 -o "$OUT/degraded" > "$OUT/degraded.jsonl"
for level in keep match; do
    mkdir -p "$OUT/$level"
    audiorestore pair "$OUT/degraded.jsonl" --level "$level" --seed 1 -o "$OUT/$level" > "$OUT/$level/pairs.jsonl"
    grep '"split": "test"' "$OUT/$level/pairs.jsonl" > "$OUT/$level/test.jsonl"
done

sweep | tr '\n' '\0' | xargs -0 -n 1 -P "$JOBS" sh "$0" row

# Table 11: the best of each family in the paper, in both forms and at both levels.
for level in keep match; do
    work=$OUT/$level
    [ -f "$work/level.safetensors" ] || audiorestore train level "$work/pairs.jsonl" -o "$work/level.safetensors" > /dev/null
done
for level in keep match; do
    for model in $rows_of_table_11; do
        case $model in *-paper*) echo "$level ${model%%-*} ${model#*-}" ;; esac
    done
done | xargs -n 3 -P "$JOBS" sh "$0" last
for level in keep match; do
    work=$OUT/$level
    for model in $rows_of_table_11; do
        file=$work/$model.safetensors
        [ "$model" = identity ] && file=identity
        audiorestore restore -f --model "$file" -o "$work/$model" "$work/test.jsonl" > "$work/$model.restored.jsonl"
        audiorestore eval "$work/$model.restored.jsonl" --format csv > "$work/$model.csv" 2> "$work/$model.txt"
    done
done
# Figure 1: spectrograms of degraded and restored speech, and of what is left between them and the original.
for model in cnn-paper cnn-paper-residual; do
    head -n 1 "$OUT/keep/$model.restored.jsonl" | audiorestore eval --plot "$OUT/figures/$model" > /dev/null 2>&1 ||
        echo "no figures of $model" >&2
done

sweep > "$OUT/sweep/rows"
in_the_paper | tr ' ' '\n' | paste -d '|' "$OUT/sweep/rows" - | while IFS='|' read -r table row column family settings paper; do
    result=$OUT/sweep/$(name_of "$table|$row|$column").json
    echo "$table|$row|$column|$paper|$(number "$result" mse restored)|$(number "$result" training_seconds)|$(number "$result" parameters)"
done > "$OUT/sweep/results"
{
    one=$OUT/sweep/$(name_of "$(head -n 1 "$OUT/sweep/rows")").json
    echo "Validation split: doing nothing $(number "$one" mse degraded), one gain $(number "$one" mse level)."
    awk -F '|' '
        function close_table() {
            if (table) printf "\nBest in the paper: %s. Best here: %s.\n", their_name, our_name
        }
        $1 != table {
            close_table()
            table = $1; theirs = ours = 1
            printf "\n### Table %s\n\n| | | MSE in the paper | MSE here | parameters | training, s |\n|---|---|---:|---:|---:|---:|\n", table
        }
        {
            printf "| %s | %s | %.2e | %.2e | %d | %.0f |\n", $2, $3, $4, $5, $7, $6
            name = $2 ($3 == "" ? "" : ", " $3)
            if ($4 < theirs) { theirs = $4; their_name = name }
            if ($5 < ours) { ours = $5; our_name = name }
        }
        END { close_table() }' "$OUT/sweep/results"
    echo
    echo "### Table 11, test split"
    echo
    echo "| level | model | MSE in the paper | MSE | SNR dB | SI-SDR dB | LSD dB |"
    echo "|---|---|---:|---:|---:|---:|---:|"
    for level in keep match; do
        for model in $rows_of_table_11; do
            case $level-$model in
            keep-mlp-paper) paper=1.61e-4 ;;
            keep-cnn-paper) paper=1.37e-4 ;;
            keep-unet-paper) paper=3.11e-4 ;;
            *) paper= ;;
            esac
            awk -F, -v level="$level" -v model="$model" -v paper="$paper" '
                $1 == "restored" { mean[$2] = $4 }
                END { printf "| %s | %s | %s | %.3e | %.3f | %.3f | %.2f |\n", level, model, paper,
                      mean["mse"], mean["snr_db"], mean["si_sdr_db"], mean["lsd_db"] }' "$OUT/$level/$model.csv"
        done
    done
} > "$OUT/report.md"
cat "$OUT/report.md"
