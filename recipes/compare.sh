#!/bin/sh
# Every family that `ar models` lists, side by side on the same recordings: damage, pair, train each under the same
# budget, restore, shrink to int8, measure, and one table with the two rows that did nothing.
#
#   [DATA=folder] [CHAIN=damages] [BUDGET=60s] [PRESET=small] [FAMILIES="mlp cnn"] [POST=command] [OUT=folder] \
#       sh recipes/compare.sh
#   make -C recipes -j2 compare DATA=folder        the same, two families at a time
#
# Without DATA it runs on a minute of demo audio that the program renders. BUDGET is the training of each family: 60s,
# 10m, or a number of steps such as 500. Paths are relative to where you stand. Run again after an interruption, it goes
# on where it was; other recordings, another chain, budget, preset, or version make another run.
#
# All that passes from stage to stage is files in the run's folder, and each is made only where it is not there yet:
#
#   degraded.jsonl  pairs.jsonl  test.jsonl       records; put your own there, and that stage is yours
#   FAMILY/trained.json  FAMILY/model.safetensors   FAMILY/int8.json  FAMILY/int8.safetensors
#   FAMILY/float.jsonl  FAMILY/int8.jsonl           what `ar restore` wrote; any program may, if it writes such records
#   FAMILY/float.csv  FAMILY/int8.csv  report.md    the measurements
#
# POST is run on each restored file, $IN to $OUT: equalisation or dynamics after restoring, for instance
#
#   POST='sox "$IN" "$OUT" treble +2 6k compand 0.02,0.2 -60,-60,-20,-16,0,-6' sh recipes/compare.sh
#   POST='ffmpeg -v error -y -i "$IN" -af treble=g=2:f=6000,acompressor "$OUT"' sh recipes/compare.sh
#
# sh recipes/compare.sh STAGE [FAMILY] runs one stage of the run in the folder RUN; the Makefile calls these:
# choose (damage and pair, and print the run's folder), train FAMILY, restore FAMILY, shrink FAMILY, report.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
CHAIN=${CHAIN:-'mp3:kbps=64|hiss:snr_db=15..25'}
BUDGET=${BUDGET:-60s}
PRESET=${PRESET:-small}
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"  # of each training; small networks gain little from more

. "$here/steps.sh"

# The two that do nothing are always there, and come first.
families() { printf '%s\n' identity level ${FAMILIES:-$(audiorestore models --names)} | awk '!seen[$1]++'; }

refuse() {
    echo "$*" >&2
    exit 2
}

# Find the recordings, and name the run's folder after all that it depends on.
choose_run() {
    case ${BUDGET%[sm]} in
    '' | *[!0-9.]*) refuse "BUDGET=$BUDGET is neither seconds (60s), minutes (10m) nor steps (500)" ;;
    esac
    for family in $(families); do
        audiorestore models --names | grep -qx -- "$family" ||
            refuse "FAMILIES: there is no family $family; there are:" $(audiorestore models --names)
    done
    if [ -z "${DATA:-}" ]; then
        DATA=$here/runs/demo-audio
        name=demo
        make_file "$here/runs/demo-audio.jsonl" audiorestore demo "$DATA"
    elif [ -d "$DATA" ]; then
        name=$(basename "$(cd "$DATA" && pwd)" | tr -c 'A-Za-z0-9._\n-' _)
    else
        refuse "DATA=$DATA is not a folder"
    fi
    if [ "$(find -L "$DATA" -type f | wc -l)" -lt 3 ]; then
        refuse "at least 3 recordings are needed in DATA, for training, validation and the test"
    fi
    key=$({
        echo "$CHAIN|$BUDGET|$PRESET|${POST:-}"
        audiorestore --version
        cat "$here/compare.sh" "$here/steps.sh"
        find -L "$DATA" -type f -exec cksum {} + | sort
    } | cksum | cut -d ' ' -f 1)
    RUN=${OUT:-$here/runs}/$name-$key
    mkdir -p "$RUN"
    RUN=$(cd "$RUN" && pwd)
}

prepare() {
    echo "== damage: $CHAIN" >&2
    make_file "$RUN/degraded.jsonl" audiorestore degrade "$DATA" --chain "$CHAIN" --jobs 2 -o "$RUN/degraded"
    echo "== pair: lag, level, and a split for each recording" >&2
    make_file "$RUN/pairs.jsonl" audiorestore pair "$RUN/degraded.jsonl" --level match --split 60:20:20 -o "$RUN/matched"
    make_file "$RUN/test.jsonl" grep '"split": "test"' "$RUN/pairs.jsonl"
}

train() {
    case $BUDGET in
    *s) set -- "$1" --minutes "$(echo "${BUDGET%s}" | awk '{ print $1 / 60 }')" ;;
    *m) set -- "$1" --minutes "${BUDGET%m}" ;;
    *) set -- "$1" --steps "$BUDGET" ;;
    esac
    echo "== train $1, $2 $3" >&2
    make_file "$RUN/$1/trained.json" audiorestore train "$1" "$RUN/pairs.jsonl" --preset "$PRESET" "$2" "$3" --resume \
        -o "$RUN/$1/model.safetensors"
}

# restore FAMILY [FORM]: the test split, and numbers for it; FORM is float or int8.
restore() {
    form=${2:-float}
    model=$RUN/$1/model.safetensors
    [ "$form" = int8 ] && model=$RUN/$1/int8.safetensors
    echo "== restore the test split with $1, $form" >&2
    make_file "$RUN/$1/$form.jsonl" restored "$model" "$RUN/$1/$form"
    make_file "$RUN/$1/$form.csv" audiorestore eval "$RUN/$1/$form.jsonl" --format csv 2> "$RUN/$1/$form.txt"
}

restored() {
    but_some audiorestore restore -f --model "$1" "$RUN/test.jsonl" -o "$2" > "$2.records" || return
    if [ -n "${POST:-}" ]; then
        find "$2" -type f | while IFS= read -r file; do
            made=$2-post/${file#"$2"/}
            mkdir -p "$(dirname "$made")"
            IN=$file OUT=$made sh -c "$POST" < /dev/null >&2 || {
                echo "POST failed on $file: $POST" >&2
                exit 1
            }
        done || return
        sed "s|\"restored\": \"$2/|\"restored\": \"$2-post/|" "$2.records"
    else
        cat "$2.records"
    fi
    rm "$2.records"
}

shrink() {
    echo "== shrink $1 to int8" >&2
    make_file "$RUN/$1/int8.json" audiorestore quantize -f "$RUN/$1/model.safetensors" --pairs "$RUN/test.jsonl" \
        -o "$RUN/$1/int8.safetensors"
    restore "$1" int8
}

# One line for each family: its numbers, in float and in int8.
row() {
    shrunk=$(number "$RUN/$1/int8.json" int8_share stored)
    awk -F, -v family="$1" -v parameters="$(number "$RUN/$1/trained.json" parameters)" \
        -v seconds="$(number "$RUN/$1/trained.json" training_seconds)" -v stored="$shrunk" \
        -v bytes="$(number "$RUN/$1/int8.json" bytes float)" -v bytes8="$(number "$RUN/$1/int8.json" bytes int8)" \
        -v speed="$(number "$RUN/$1/int8.json" times_real_time float)" \
        -v speed8="$(number "$RUN/$1/int8.json" times_real_time int8)" '
        $1 == "restored" { n = FILENAME ~ /int8.csv$/; mean[n, $2] = $4; gain[n, $2] = $6 }
        function line(form, n, size, times) {
            printf "| %-11s | %-5s | %6.2f | %+6.2f | %6.2f | %6.2f | %+6.2f | %10d | %7.1f | %7.1f | %11.1f |\n", family,
                form, mean[n, "snr_db"], gain[n, "snr_db"], mean[n, "si_sdr_db"], mean[n, "lsd_db"], gain[n, "lsd_db"],
                parameters, seconds, size / 1024, times
        }
        END {
            line("float", 0, bytes, speed)
            if (stored > 0) line("int8", 1, bytes8, speed8)
        }' "$RUN/$1/float.csv" "$RUN/$1/int8.csv"
}

report() {
    {
        case $BUDGET in *[sm]) budget=$BUDGET ;; *) budget="$BUDGET steps" ;; esac
        echo "Test split: $(($(wc -l < "$RUN/test.jsonl"))) recording(s), damaged by $CHAIN; each family trained for $budget,"
        echo "preset $PRESET, $OMP_NUM_THREADS thread(s). identity is doing nothing, level one gain; a gain with + is better than doing nothing."
        echo
        echo "| family      | form  | SNR dB |   gain | SI-SDR | LSD dB |   gain | parameters | train s |     KiB | × real time |"
        echo "|-------------|-------|-------:|-------:|-------:|-------:|-------:|-----------:|--------:|--------:|------------:|"
        for family in $(families); do row "$family"; done
        # The choice is made on the validation split: the test split is for reporting only.
        best=$(for family in $(families); do
            echo "$(number "$RUN/$family/trained.json" snr_db restored) $family"
        done | sort -g -r | awk 'NR == 1 { print $2 }')
        echo
        case $best in
        identity | level) echo "No model helped here. To try one on a file of your own all the same:"; best=FAMILY ;;
        *)
            echo "$best did best on the validation split."
            awk -F, '$1 == "restored" && $2 == "snr_db" && $6 < 0 {
                print "On the test split it was WORSE than doing nothing: train longer, or on more audio." }' "$RUN/$best/float.csv"
            echo "To restore a file of your own with it:"
            ;;
        esac
        echo
        echo "    '$root/.venv/bin/ar' restore --model '$RUN/$best/model.safetensors' YOUR-FILE.mp3 -o restored.wav"
        echo
        echo "Pictures of the first test recording: $RUN/pictures"
    } > "$RUN/report.md"
    for family in $(families); do
        head -n 1 "$RUN/$family/float.jsonl" | audiorestore eval --plot "$RUN/pictures/$family" > /dev/null 2>&1 || true
    done
    cat "$RUN/report.md"
}

trap 'echo "interrupted; run the same command again to go on" >&2; exit 130' INT
sh "$here/install.sh"
PATH="$root/.venv/bin:$PATH"
if [ -n "${1:-}" ]; then
    [ "$1" = choose ] || : "${RUN:?name the folder of the run}"
fi
case ${1:-all} in
choose) choose_run; prepare; echo "$RUN" ;;
train | restore | shrink) "$1" "$2" ;;
report) report ;;
all)
    choose_run
    prepare
    for family in $(families); do
        train "$family"
        restore "$family"
        shrink "$family"
    done
    report
    ;;
*) refuse "there is no stage $1" ;;
esac
