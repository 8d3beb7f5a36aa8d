# What several recipes do; they read this file with a dot.

# Commands end with 3 where some files failed, as they have told: the others go on.
but_some() { "$@" || [ $? -eq 3 ]; }

# make_file FILE COMMAND... : write what a command prints to a file, which is there only when it is whole.
make_file() {
    file=$1
    shift
    [ -s "$file" ] && return
    mkdir -p "$(dirname "$file")"
    but_some "$@" > "$file.part"
    mv "$file.part" "$file"
}

# number FILE KEY [INNER] : of a JSON object, or of the object that it holds there.
number() { sed -n "s/.*\"$2\": ${3:+{[^\}]*\"$3\": }\([-0-9.e]*\).*/\1/p" "$1"; }
