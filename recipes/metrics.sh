#!/bin/sh
# Measures your recordings as MP3s of rising bit rate with every metric, before any restoration: one table with a column
# for each bit rate. A useful number rises or falls throughout; the last column says whether it does.
#
#   DATA=folder [KBPS="16 32 64 96 128"] [METRICS="peaq snr ..."] [ROW=degraded] [JOBS=2] [OUT=folder] sh recipes/metrics.sh
#
# Measures all metrics by default, including PESQ and STOI if audiorestore[speech] is installed; ROW=degraded_leveled is
# the row after the best single gain. Prints a Markdown table of means; bit rates that are in OUT already are not measured
# again. Paths are relative to the working directory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${DATA:?give DATA=folder}"
OUT=${OUT:-runs/metrics}
JOBS=${JOBS:-2}
KBPS=${KBPS:-16 32 64 96 128}
ROW=${ROW:-degraded}
case $ROW in
degraded | degraded_leveled) ;;
*) echo "ROW=$ROW is neither degraded nor degraded_leveled" >&2; exit 2 ;;
esac
sh "$here/install.sh" speech
PATH=$here/../.venv/bin:$PATH
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

. "$here/steps.sh"

set --
for metric in ${METRICS:-all}; do set -- "$@" --metric "$metric"; done
mkdir -p "$OUT"
asked="$(cd "$DATA" && pwd) $*"
if [ -f "$OUT/asked" ] && [ "$(cat "$OUT/asked")" != "$asked" ]; then
    echo "OUT=$OUT holds the numbers of other recordings or metrics ($(cat "$OUT/asked")); choose another OUT" >&2
    exit 2
fi
echo "$asked" > "$OUT/asked"
for kbps in $KBPS; do
    [ -s "$OUT/$kbps.csv" ] && continue
    but_some audiorestore degrade "$DATA" --chain "mp3:kbps=$kbps" --jobs "$JOBS" -f -o "$OUT/$kbps" > "$OUT/$kbps.jsonl"
    but_some audiorestore eval "$OUT/$kbps.jsonl" "$@" --jobs "$JOBS" --format csv > "$OUT/$kbps.csv.part" \
        2> "$OUT/$kbps.log" || { tail -n 3 "$OUT/$kbps.log" >&2; exit 1; }
    rm -rf "${OUT:?}/$kbps"
    mv "$OUT/$kbps.csv.part" "$OUT/$kbps.csv"
done
for kbps in $KBPS; do sed "s/^/$kbps,/" "$OUT/$kbps.csv"; done | awk -F, -v row="$ROW" -v rates="$KBPS" '
    $2 == row {
        if (!($3 in seen)) { seen[$3] = 1; names[++n] = $3 }
        mean[$3, $1] = $5
        if (!($3 in files) || $4 < files[$3]) files[$3] = $4
    }
    END {
        count = split(rates, rate, " ")
        printf "| number | files |"
        for (i = 1; i <= count; i++) printf " %s |", rate[i]
        printf " one way |\n|---|---:|"
        for (i = 1; i <= count; i++) printf "---:|"
        print "---|"
        for (k = 1; k <= n; k++) {
            printf "| `%s` | %d |", names[k], files[names[k]]
            up = down = 1
            for (i = 1; i <= count; i++) {
                value = mean[names[k], rate[i]]
                if (value == "") up = down = 0
                if (i > 1 && value + 0 <= before + 0) up = 0
                if (i > 1 && value + 0 >= before + 0) down = 0
                before = value
                printf " %s |", value == "" ? "–" : sprintf("%.4g", value)
            }
            print (up ? " rises |" : down ? " falls |" : " no |")
        }
    }'
