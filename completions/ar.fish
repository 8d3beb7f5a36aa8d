# Completion of audiorestore's `ar`, and of `audiorestore`, for fish.
#
# To install, add a line to ~/.config/fish/config.fish with the place of this file:
#
#     source /path/to/completions/ar.fish
#
# `audiorestore` is asked at each TAB, so it has to be on PATH. Where it offers nothing, as for `ar rcs library.a`,
# which is the archiver's, fish offers files.

function __audiorestore_offers
    set -lx _AUDIORESTORE_COMPLETE complete_words
    set -lx _AUDIORESTORE_LINE (commandline -cp)
    set -l offers (command audiorestore 2>/dev/null)
    if set -q offers[1]
        # fish replaces the whole of --option=value
        set -l option (string match -r -- '^-[^=]*=' (commandline -ct))
        string join \n -- "$option"$offers
    else
        __fish_complete_path (commandline -ct)
    end
end

complete -c ar -e
complete -c audiorestore -e
complete -c ar -f -a '(__audiorestore_offers)'
complete -c audiorestore -f -a '(__audiorestore_offers)'
