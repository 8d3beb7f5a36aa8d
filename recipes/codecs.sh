#!/bin/sh
# What each codec of the papers does to your recordings before any restoration: whether the pair has lag 0 and equal
# lengths, by how much the level changes, and the error of the decoded audio, as it is and after one gain.
#
#   DATA=folder [CHAINS="mp3:kbps=96 ..."] [JOBS=2] [OUT=folder] sh recipes/codecs.sh
#
# Prints a Markdown table with one line per chain. Audio is deleted once it is measured, records stay in OUT, and what has
# been measured is not measured again. Paths are relative to the working directory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${DATA:?give DATA=folder}"
OUT=${OUT:-runs/codecs}
JOBS=${JOBS:-2}
CHAINS=${CHAINS:-"mp3:kbps=16 mp3:kbps=32 mp3:kbps=64 mp3:kbps=96 mp3:kbps=128 mp3:kbps=192 mp3:kbps=224 mp3:kbps=256
    mp3:kbps=128|mp3:kbps=32 vorbis:kbps=64,coded_rate=32000 vorbis:kbps=96"}
sh "$here/install.sh"
PATH=$here/../.venv/bin:$PATH
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# Commands return 3 if some files failed and 1 if all did: records say which; continue with the next chain.
but_some() {
    "$@" 2>> "$name.log" || case $? in 1 | 3) ;; *) tail -n 3 "$name.log" >&2; return 1 ;; esac
}

# count FILE TEXT : the number of lines that contain it.
count() { grep -c -F -- "$2" "$1" || true; }

# median of the numbers on stdin
median() { sort -g | awk '{ held[NR] = $1 } END { if (NR) printf "%.2f dB", (held[int((NR + 1) / 2)] + held[int(NR / 2) + 1]) / 2 }'; }

# mean FILE ROW NUMBER FORMAT : from a CSV that eval wrote; a dash if nothing was measured.
mean() {
    awk -F, -v row="$2" -v number="$3" -v style="$4" '
        $1 == row && $2 == number && $4 != "" { mean = sprintf(style, $4) }
        END { print mean == "" ? "–" : mean }' "$1"
}

mkdir -p "$OUT"
asked=$(cd "$DATA" && pwd)
if [ -f "$OUT/asked" ] && [ "$(cat "$OUT/asked")" != "$asked" ]; then
    echo "OUT=$OUT has the numbers of other recordings ($(cat "$OUT/asked")); choose another OUT" >&2
    exit 2
fi
echo "$asked" > "$OUT/asked"
echo "| chain | files | no such bit rate | refused | lag 0, equal length | gain, median | SNR | after one gain | MSE |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
for chain in $CHAINS; do
    name=$OUT/$(printf %s "$chain" | tr -c 'A-Za-z0-9.' _)
    if [ ! -f "$name.csv" ]; then
        but_some audiorestore degrade "$DATA" --chain "$chain" --jobs "$JOBS" -f -o "$name" > "$name.degraded.jsonl"
        but_some audiorestore pair "$name.degraded.jsonl" --split 100:0:0 --jobs "$JOBS" > "$name.jsonl"
        but_some audiorestore eval "$name.jsonl" --metric snr --metric mse --jobs "$JOBS" --format csv > "$name.csv.part"
        rm -rf "$name"
        mv "$name.csv.part" "$name.csv"
    fi
    gain=$(sed -n 's/.*"alignment": {[^}]*"gain_db": \[*\(-*[0-9.]*\).*/\1/p' "$name.jsonl" | median)
    # pair reports an alignment only if lag is 0 and lengths are equal, as it has no folder for aligned copies here.
    printf '| `%s` | %d | %d | %d | %d | %s | %s | %s | %s |\n' \
        "$(printf %s "$chain" | sed 's/|/\\|/g')" "$(count "$name.jsonl" '"id"')" \
        "$(count "$name.jsonl" '"error": {"stage": "degrade"')" "$(count "$name.jsonl" '"error": {"stage": "pair"')" \
        "$(count "$name.jsonl" '"residual_lag": 0.0')" "${gain:-–}" "$(mean "$name.csv" degraded snr_db "%.2f dB")" \
        "$(mean "$name.csv" degraded_leveled snr_db "%.2f dB")" "$(mean "$name.csv" degraded mse %.1e)"
done
