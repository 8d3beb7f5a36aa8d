# Completion of audiorestore's `ar`, and of `audiorestore`, for bash 4 and newer.
#
# To install, add a line to ~/.bashrc with the place of this file:
#
#     source /path/to/completions/ar.bash
#
# `audiorestore` is asked at each TAB, so it has to be on PATH. Where it offers nothing, as for `ar rcs library.a`,
# which is the archiver's, bash offers files.

_audiorestore() {
    local line=${COMP_LINE:0:COMP_POINT} part=$2 word written offers
    COMPREPLY=()
    [[ $part == *\\* ]] && return # it would lose its backslash
    mapfile -t offers < <(
        _AUDIORESTORE_COMPLETE=complete_words _AUDIORESTORE_LINE=$line command audiorestore 2> /dev/null
    )
    # Readline replaces only what follows the last : or = of a word, or an open quote.
    written=''
    if [[ $line != *[\'\"]"$part" ]]; then
        written=${line##*[[:space:]]}
        [[ $written == -*=* ]] && written=${written#*=}
        written=${written%"$part"}
    fi
    for word in "${offers[@]}"; do
        [[ -n $word ]] || continue
        word=${word%%$'\t'*}
        COMPREPLY+=("${word#"$written"}")
    done
    ((${#COMPREPLY[@]})) || return
    [[ ${COMPREPLY[0]} == *[:=/] ]] && compopt -o nospace
    if [[ -e $word ]]; then
        compopt -o filenames # quote what has to be quoted
    elif ((${#COMPREPLY[@]} == 1)) && [[ $word == *[:=] && $line == *[\'\"]"$part" ]]; then
        COMPREPLY+=("${COMPREPLY[0]}…") # a single word would get the closing quote, although more follows
    fi
}

complete -o bashdefault -o default -F _audiorestore ar audiorestore
