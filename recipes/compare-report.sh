#!/bin/sh
# compare-report.sh FAMILY... : the table of a run, in whose folder this is called, and what to do with the best model.
set -eu
. "$(dirname "$0")/steps.sh"
root=$(cd "$(dirname "$0")/.." && pwd)

# One line for each form of a family: its numbers, in float and in int8.
row() {
    int8=$1/int8.csv
    [ -f "$int8" ] || int8=
    awk -F, -v family="$1" -v parameters="$(number "$1/trained.json" parameters)" \
        -v seconds="$(number "$1/trained.json" training_seconds)" -v stored="$(number "$1/int8.json" int8_share stored)" \
        -v bytes="$(number "$1/int8.json" bytes float)" -v bytes8="$(number "$1/int8.json" bytes int8)" \
        -v speed="$(number "$1/int8.json" times_real_time float)" \
        -v speed8="$(number "$1/int8.json" times_real_time int8)" '
        $1 == "restored" { n = FILENAME ~ /int8.csv$/; mean[n, $2] = $4; gain[n, $2] = $6 }
        function line(form, n, size, times) {
            printf "| %-11s | %-5s | %6.2f | %+6.2f | %6.2f | %6.2f | %+6.2f | %10d | %7.1f | %7.1f | %11.1f |\n", family,
                form, mean[n, "snr_db"], gain[n, "snr_db"], mean[n, "si_sdr_db"], mean[n, "lsd_db"], gain[n, "lsd_db"],
                parameters, seconds, size / 1024, times
        }
        END {
            line("float", 0, bytes, speed)
            if (stored > 0) line("int8", 1, bytes8, speed8)
        }' "$1/float.csv" $int8
}

case $BUDGET in *[sm]) budget=$BUDGET ;; *) budget="$BUDGET steps" ;; esac
echo "Test split: $(($(wc -l < test.jsonl))) recording(s), degraded by $CHAIN; each family trained for $budget,"
echo "preset $PRESET, $OMP_NUM_THREADS thread(s). identity is doing nothing, level one gain; a gain with + is better than doing nothing."
echo
echo "| family      | form  | SNR dB |   gain | SI-SDR | LSD dB |   gain | parameters | train s |     KiB | × real time |"
echo "|-------------|-------|-------:|-------:|-------:|-------:|-------:|-----------:|--------:|--------:|------------:|"
for family in "$@"; do row "$family"; done
# The choice is made on the validation split: the test split is for reporting only.
best=$(for family in "$@"; do echo "$(number "$family/trained.json" snr_db restored) $family"; done |
    sort -g -r | awk 'NR == 1 { print $2 }')
echo
case $best in
identity | level)
    echo "No model helped here. To try one on a file of your own all the same:"
    best=FAMILY
    ;;
*)
    echo "$best did best on the validation split."
    awk -F, '$1 == "restored" && $2 == "snr_db" && $6 < 0 {
        print "On the test split it was WORSE than doing nothing: train longer, or on more audio." }' "$best/float.csv"
    echo "To restore a file of your own with it:"
    ;;
esac
echo
echo "    '$root/.venv/bin/ar' restore --model '$PWD/$best/model.safetensors' YOUR-FILE.mp3 -o restored.wav"
echo
echo "Pictures of the first test recording: $PWD/pictures"
for family in "$@"; do
    head -n 1 "$family/float.jsonl" | audiorestore eval --plot "pictures/$family" > /dev/null 2>&1 || true
done
