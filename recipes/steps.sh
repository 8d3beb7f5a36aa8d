# Functions that several recipes share; they source this file.

# Commands return 3 if some files failed, and have reported them: continue with the others.
but_some() { "$@" || [ $? -eq 3 ]; }

# make_file FILE COMMAND... : write the output of a command to a file, which exists only once it is complete.
make_file() {
    file=$1
    shift
    [ -s "$file" ] && return
    mkdir -p "$(dirname "$file")"
    but_some "$@" > "$file.part"
    mv "$file.part" "$file"
}

# number FILE KEY [INNER] : a number in a JSON object, or in an object inside it.
number() { sed -n "s/.*\"$2\": ${3:+{[^\}]*\"$3\": }\([-0-9.e]*\).*/\1/p" "$1"; }
