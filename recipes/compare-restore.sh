#!/bin/sh
# compare-restore.sh MODEL FOLDER HERE : restore test.jsonl into a folder, run POST on each file in HERE, the user's
# working directory, and print the records.
set -eu
. "$(dirname "$0")/steps.sh"
but_some audiorestore restore -f --model "$1" test.jsonl -o "$2" > "$2.records"
if [ -n "${POST:-}" ]; then
    cd "$3"
    find "$2" -type f | while IFS= read -r file; do
        made=$2-post/${file#"$2"/}
        mkdir -p "$(dirname "$made")"
        IN=$file OUT=$made sh -c "$POST" < /dev/null >&2 || {
            echo "POST failed on $file: $POST" >&2
            exit 1
        }
    done
    sed "s|\"restored\": \"$2/|\"restored\": \"$2-post/|" "$2.records"
else
    cat "$2.records"
fi
rm "$2.records"
