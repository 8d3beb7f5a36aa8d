# Completions of audiorestore's `ar`, and of `audiorestore`, for bash. No program is started.
#
# To install, add a line to ~/.bashrc with the place of this file:
#
#     source /path/to/completions/ar.bash
#
# Where the bash-completion package is there, a copy (or link) under both names, `ar` and `audiorestore`, in
# ~/.local/share/bash-completion/completions/ does it, too, and is read only once it is needed.
#
# What is no subcommand is left to bash, which offers files: `ar rcs library.a …` is the archiver's.
# Written for bash 3.2 and newer (tried with 5.2); before 4 a space that you have to delete follows `mp3:` and `key=`.

_audiorestore() {
    local IFS=$' \t\n'
    local typed=() quote='' # what was typed up to the cursor, word by word
    local known='' files='' language='' # what is expected
    local command='' family='' # where
    COMPREPLY=()
    _audiorestore_split "${COMP_LINE:0:COMP_POINT}"

    # Readline replaces $2 only, which begins after the last : or = of a word, unless a quote is open.
    local current=${typed[${#typed[@]} - 1]} escaped='' replaced=${2//\\/} kept=''
    [[ $2 == *\\* ]] && escaped=1
    [[ $current == *"$replaced" ]] || return
    kept=${current%"$replaced"}

    if ((${#typed[@]} == 2)); then
        if [[ $current == -* ]]; then known=$_audiorestore_top_options; else known=$_audiorestore_commands; fi
        _audiorestore_offer '' "$current" ''
        return
    fi
    command=${typed[1]}
    _audiorestore_options "$command" || return
    _audiorestore_complete "$current"
    # A single word would get the closing quote, although a key wants its value: go on until there is a choice.
    while [[ -n $quote && ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]]; do
        current=$kept${COMPREPLY[0]}
        COMPREPLY=()
        _audiorestore_complete "$current"
        ((${#COMPREPLY[@]})) || COMPREPLY=("${current#"$kept"}")
    done
}

# Split a line into words as the shell does, without its quotes: COMP_WORDS is split at : and =, too, which stand
# inside of chains and settings. Sets `typed`, and `quote` where one is still open.
_audiorestore_split() {
    local line=$1 index letter word='' begun=''
    for ((index = 0; index < ${#line}; index++)); do
        letter=${line:index:1}
        if [[ -n $quote && $letter == "$quote" ]]; then
            quote=''
        elif [[ -z $quote && $letter == [\'\"] ]]; then
            quote=$letter begun=1
        elif [[ $letter == \\ && $quote != \' ]]; then
            ((index++))
            word+=${line:index:1} begun=1
        elif [[ -z $quote && $letter == [[:space:]] ]]; then
            [[ -n $begun ]] && typed+=("$word")
            word='' begun=''
        else
            word+=$letter begun=1
        fi
    done
    typed+=("$word")
}

# Complete what is expected where the last word, given here, stands.
_audiorestore_complete() {
    local current=$1 option='' arguments=1 ended='' index word
    known='' files='' language='' family=''
    for ((index = 2; index < ${#typed[@]} - 1; index++)); do
        word=${typed[index]}
        if [[ -n $option ]]; then
            option=''
        elif [[ -n $ended || $word != -?* ]]; then
            ((arguments++ == 1)) && family=$word
        elif [[ $word == -- ]]; then
            ended=1
        else
            _audiorestore_expected "$command.$word" && option=$word
        fi
        known='' files='' language=''
    done
    if [[ -n $option ]]; then
        _audiorestore_expected "$command.$option"
        _audiorestore_value '' "$current"
    elif [[ -z $ended && $current == --*=* ]]; then
        _audiorestore_expected "$command.${current%%=*}" && _audiorestore_value "${current%%=*}=" "${current#*=}"
    elif [[ -z $ended && $current == -* ]]; then
        _audiorestore_options "$command"
        _audiorestore_offer '' "$current" ''
    else
        _audiorestore_expected "$command.$arguments" && _audiorestore_value '' "$current"
    fi
}

# Complete a value behind what stands before it in the same word.
_audiorestore_value() {
    local before=$1 part=$2
    [[ -n $files ]] || compopt +o default +o bashdefault 2>/dev/null # where bash can be told, no files
    case $language in
        preset)
            _audiorestore_presets "$family"
            _audiorestore_offer "$before" "$part" ''
            ;;
        setting) _audiorestore_setting "$before" "$part" ;;
        chain) _audiorestore_chain "$before" "$part" ;;
        *)
            _audiorestore_offer "$before" "$part" ''
            # All files are bash's own default, which comes where nothing is offered.
            [[ -n $files && $known$files != '*' ]] && _audiorestore_files "$before" "$part"
            ;;
    esac
    return 0
}

# key=value
_audiorestore_setting() {
    local before=$1 part=$2
    if [[ $part == *=* ]]; then
        known=''
        _audiorestore_setting_values "$family.${part%%=*}"
        _audiorestore_offer "$before${part%%=*}=" "${part#*=}" ''
    else
        _audiorestore_settings "$family"
        _audiorestore_offer "$before" "$part" '='
    fi
}

# damage:parameter=value/value,parameter=value|damage
_audiorestore_chain() {
    local before=$1 part=$2 link damage setting value
    link=${part##*|}
    link=${link#"${link%%[! ]*}"}
    damage=${link%%:*}
    setting=${link#*:}
    setting=${setting##*,}
    value=${setting#*=}
    value=${value##*/}
    known=''
    if [[ $link != *:* ]]; then
        known=$_audiorestore_damages
        _audiorestore_offer "$before${part%"$link"}" "$link" ':'
    elif [[ $setting != *=* ]]; then
        _audiorestore_parameters "$damage"
        _audiorestore_offer "$before${part%"$setting"}" "$setting" '=' "$link"
    else
        _audiorestore_parameter_values "$damage.${setting%%=*}"
        _audiorestore_offer "$before${part%"$value"}" "$value" ''
    fi
}

# Offer those of the known words that begin with a part; a word that is set in the link already, not again. Nothing
# where a backslash would be replaced, as of \| in a chain: without it the rest would be another command.
_audiorestore_offer() {
    local before=$1 part=$2 after=$3 link=${4-} word
    [[ -n $escaped ]] && return
    for word in $known; do
        if [[ $word == "$part"* && $link != *[:,]"$word="* ]]; then
            word=$before$word$after
            COMPREPLY+=("${word#"$kept"}")
        fi
    done
    [[ -n $after ]] && compopt -o nospace 2>/dev/null
    return 0
}

# Offer folders, and the files of the pattern.
_audiorestore_files() {
    local before=$1 part=$2 file
    while IFS= read -r file; do
        file=$before$file
        COMPREPLY+=("${file#"$kept"}")
    done < <(
        compgen -d -- "$part"
        compgen -f -X "!$files" -- "$part"
    )
    compopt -o filenames 2>/dev/null
    return 0
}

# ---- words, written by completions/generate ----
_audiorestore_commands='degrade pair train restore eval quantize models demo'
_audiorestore_top_options='--version --help -h'
_audiorestore_damages='bits clicks clip crackle downsample dropout ffmpeg gain hiss hum lowpass mp3 noise opus reverb thumps vorbis wow'

# A command's options; false where there is no such command.
_audiorestore_options() {
    case $1 in
        degrade)
            known='--output -o --chain --per --keep-encoded --format --seed --jobs -j --force -f --list --help -h'
            ;;
        pair)
            known='--reference --degraded --output -o --level --allow --split --group-by --format --plot --check --seed
                --jobs -j --force -f --help -h'
            ;;
        train)
            known='--output -o --preset --set --steps --epochs --minutes --device --seed --resume --force -f --help -h'
            ;;
        restore)
            known='--model -m --output -o --residual --mix --bits --clip --dither --device --seed --force -f --help -h'
            ;;
        eval)
            known='--reference --degraded --restored --metric --align --jobs -j --list --format --by --require
                --baseline --tolerance --junit --plot --report --log --listening-test --kind --ratings --help -h'
            ;;
        quantize) known='--dtype --output -o --pairs --force -f --help -h' ;;
        models) known='--names --json --help -h' ;;
        demo) known='--sample-rate --jobs -j --force -f --help -h' ;;
        *) return 1 ;;
    esac
}

# COMMAND.OPTION, COMMAND.1: what is expected behind an option, or as the first argument; false for a flag.
_audiorestore_expected() {
    case $1 in
        degrade.--chain) language=chain ;;
        degrade.--per | degrade.--seed | degrade.--jobs | degrade.-j) ;;
        degrade.--format) known='wav flac' ;;
        degrade.--output | degrade.-o | degrade.[1-9]*) files='*' ;;
        pair.--level) known='keep match' ;;
        pair.--allow) known='channels polarity content drift' ;;
        pair.--split | pair.--seed | pair.--jobs | pair.-j) ;;
        pair.--group-by) known='folder path: field:' ;;
        pair.--format) known='jsonl nemo lhotse' ;;
        pair.--reference | pair.--degraded | pair.--output | pair.-o | pair.--plot | pair.[1-9]*) files='*' ;;
        train.--preset) language=preset ;;
        train.--set) language=setting ;;
        train.--steps | train.--epochs | train.--minutes | train.--seed) ;;
        train.--device) known='auto cpu cuda' ;;
        train.1) known='audiounet autoencoder cnn identity level mlp resample tfilm unet wavenet' ;;
        train.--output | train.-o | train.[1-9]*) files='*' ;;
        restore.--model | restore.-m) known='identity resample' files='*.safetensors' ;;
        restore.--mix | restore.--seed) ;;
        restore.--bits) known='16 24 float' ;;
        restore.--clip) known='saturate refuse' ;;
        restore.--device) known='auto cpu cuda' ;;
        restore.--output | restore.-o | restore.--residual | restore.[1-9]*) files='*' ;;
        eval.--metric)
            known='all bandwidth log_mel lsd mr_stft mse peaq pesq segmental_snr si_sdr snr spectral_mse ssim stoi'
            ;;
        eval.--jobs | eval.-j | eval.--by | eval.--require | eval.--tolerance) ;;
        eval.--format) known='records json csv markdown' ;;
        eval.--kind) known='mos mushra acr cmp' ;;
        eval.--reference | eval.--degraded | eval.--restored | eval.--baseline | eval.--junit | eval.--plot \
        | eval.--report | eval.--log | eval.--listening-test | eval.--ratings | eval.[1-9]*)
            files='*'
            ;;
        quantize.--dtype) known='int8 float16' ;;
        quantize.--output | quantize.-o | quantize.--pairs) files='*' ;;
        quantize.1) files='*.safetensors' ;;
        models.1)
            known='audiounet autoencoder cnn identity level mlp resample tfilm unet wavenet' files='*.safetensors'
            ;;
        demo.--sample-rate | demo.--jobs | demo.-j) ;;
        demo.1) files='*' ;;
        *) return 1 ;;
    esac
}

# A family's presets, or those of all.
_audiorestore_presets() {
    case $1 in
        audiounet) known='paper sulun small' ;;
        autoencoder) known='paper paper-2 paper-3 paper-4 paper-5 paper-6 paper-7 paper-residual small' ;;
        cnn | mlp | unet | wavenet) known='paper paper-residual small' ;;
        identity | level | resample | tfilm) known='paper small' ;;
        *) known='paper sulun small paper-2 paper-3 paper-4 paper-5 paper-6 paper-7 paper-residual' ;;
    esac
}

# The settings of a family and its training, or of all.
_audiorestore_settings() {
    case $1 in
        audiounet)
            known='sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain optimizer learning_rate
                weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay batch_size
                segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm seed'
            ;;
        autoencoder)
            known='sample_rate channels depth latent kernel_size n_fft hop_length loss ssim_weight ssim_k1 ssim_k2
                ssim_range residual optimizer learning_rate weight_decay schedule warmup_steps plateau_patience
                cycle_steps cycle_decay batch_size segment_frames steps epochs minutes validate_every
                validation_seconds patience clip_norm seed'
            ;;
        cnn)
            known='sample_rate channels window parameters activation pooling residual kernel_sizes dilation
                dense_layers optimizer learning_rate weight_decay schedule warmup_steps plateau_patience cycle_steps
                cycle_decay batch_size segment_frames steps epochs minutes validate_every validation_seconds
                patience clip_norm seed'
            ;;
        identity) known='sample_rate channels' ;;
        level)
            known='sample_rate channels optimizer learning_rate weight_decay schedule warmup_steps plateau_patience
                cycle_steps cycle_decay batch_size segment_frames steps epochs minutes validate_every
                validation_seconds patience clip_norm seed'
            ;;
        mlp)
            known='sample_rate channels window parameters activation pooling residual layers optimizer learning_rate
                weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay batch_size
                segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm seed'
            ;;
        resample) known='sample_rate channels through_rate' ;;
        tfilm)
            known='sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain block window overlap
                optimizer learning_rate weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay
                batch_size segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm
                seed'
            ;;
        unet)
            known='sample_rate channels window parameters activation pooling residual levels kernel_size overlap
                optimizer learning_rate weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay
                batch_size segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm
                seed'
            ;;
        wavenet)
            known='sample_rate channels hidden_channels stacks layers last_channels loss residual optimizer
                learning_rate weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay batch_size
                segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm seed'
            ;;
        *)
            known='sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain optimizer learning_rate
                weight_decay schedule warmup_steps plateau_patience cycle_steps cycle_decay batch_size
                segment_frames steps epochs minutes validate_every validation_seconds patience clip_norm seed depth
                latent kernel_size n_fft hop_length loss ssim_weight ssim_k1 ssim_k2 ssim_range residual window
                parameters activation pooling dilation dense_layers layers through_rate block overlap levels stacks
                last_channels'
            ;;
    esac
}

# FAMILY.SETTING: its values, where they can be listed.
_audiorestore_setting_values() {
    case $1 in
        *.trained_gain | *.residual) known='true false' ;;
        *.optimizer) known='adam adamw nadam radam rmsprop sgd' ;;
        *.schedule) known='constant cosine plateau cyclical' ;;
        *.epochs | *.minutes) known='none' ;;
        wavenet.loss | *.loss) known='energy mse' ;;
        *.activation) known='tanh relu silu' ;;
        *.pooling) known='none max avg lp2 lp3' ;;
    esac
}

# A damage's parameters.
_audiorestore_parameters() {
    case $1 in
        bits) known='bits dither noise_seed' ;;
        clicks)
            known='snr_db rate_per_second length_ms length_spread level_spread_db rpm repeating_percent disc noise_seed'
            ;;
        clip) known='threshold_db relative_to kind sdr_db' ;;
        crackle) known='snr_db rate_per_second length_ms length_spread level_spread_db disc noise_seed' ;;
        downsample) known='rate_hz factor method' ;;
        dropout) known='packet_ms loss_percent burst_packets good_loss_percent bad_loss_percent fill loss_seed' ;;
        ffmpeg) known='codec kbps coded_rate' ;;
        gain) known='gain_db polarity' ;;
        hiss) known='snr_db colour noise_seed' ;;
        hum)
            known='snr_db mains_hz offset_percent harmonics tilt_db_per_octave harmonic_spread_db channel_spread_db
                noise_seed'
            ;;
        lowpass) known='kind order cutoff_hz cutoff_share ripple_db stopband_db passes' ;;
        mp3) known='kbps mode vbr_quality coded_rate quality' ;;
        noise) known='folder snr_db file start' ;;
        opus | vorbis) known='kbps quality coded_rate' ;;
        reverb) known='folder file decay_seconds drr_db predelay_ms damping_percent noise_seed' ;;
        thumps)
            known='snr_db rate_per_second resonance_hz start_hz decay_ms click_db level_spread_db rpm repeating_percent
                disc noise_seed'
            ;;
        wow) known='wow_percent wow_hz wow_phase_degrees flutter_percent flutter_hz flutter_phase_degrees' ;;
    esac
}

# DAMAGE.PARAMETER: its values; of a number the default, to show how it is written.
_audiorestore_parameter_values() {
    case $1 in
        bits.bits) known='4/6/8/10/12' ;;
        bits.dither) known='none rectangular triangular' ;;
        bits.noise_seed | clicks.noise_seed | crackle.noise_seed | dropout.loss_seed | hiss.noise_seed | \
        hum.noise_seed | reverb.noise_seed | thumps.noise_seed)
            known='0..4294967295'
            ;;
        clicks.snr_db | crackle.snr_db) known='15.0..35.0' ;;
        clicks.rate_per_second | dropout.loss_percent) known='2.0..20.0' ;;
        clicks.length_ms) known='0.8..1.6' ;;
        clicks.length_spread) known='2.0' ;;
        clicks.level_spread_db) known='3.0..7.0' ;;
        clicks.rpm | thumps.rpm) known='off off/33.333/45.0/78.0' ;;
        clicks.repeating_percent | thumps.repeating_percent) known='50.0' ;;
        clicks.disc | crackle.disc | thumps.disc) known='mono stereo' ;;
        clip.threshold_db) known='-15.0..-3.0' ;;
        clip.relative_to) known='peak full_scale' ;;
        clip.kind) known='hard soft' ;;
        clip.sdr_db) known='off off' ;;
        crackle.rate_per_second) known='200.0..2000.0' ;;
        crackle.length_ms) known='0.2..0.4' ;;
        crackle.length_spread) known='1.6' ;;
        crackle.level_spread_db) known='4.0..8.0' ;;
        downsample.rate_hz | ffmpeg.kbps | lowpass.cutoff_hz | opus.kbps | vorbis.kbps) known='auto auto' ;;
        downsample.factor) known='2/3/4/6' ;;
        downsample.method) known='soxr decimate linear nearest' ;;
        dropout.packet_ms) known='10.0/20.0/40.0/60.0' ;;
        dropout.burst_packets) known='1.0..4.0' ;;
        dropout.good_loss_percent) known='0.0' ;;
        dropout.bad_loss_percent) known='100.0' ;;
        dropout.fill) known='zero repeat fade' ;;
        ffmpeg.codec)
            known='aac ac3 adpcm_ima adpcm_ms alaw amr_nb amr_wb eac3 g722 g723_1 g726 gsm mp2 mulaw sbc speex wma'
            ;;
        ffmpeg.coded_rate | vorbis.coded_rate)
            known='auto 8000 11025 12000 16000 22050 24000 32000 44100 48000 88200 96000'
            ;;
        gain.gain_db) known='-12.0..6.0' ;;
        gain.polarity) known='keep turn' ;;
        hiss.snr_db) known='10.0..30.0' ;;
        hiss.colour) known='white pink tape' ;;
        hum.snr_db) known='10.0..40.0' ;;
        hum.mains_hz) known='50 60' ;;
        hum.offset_percent) known='-0.2..0.2' ;;
        hum.harmonics) known='5..40' ;;
        hum.tilt_db_per_octave) known='-12.0..-5.0' ;;
        hum.harmonic_spread_db) known='0.0..6.0' ;;
        hum.channel_spread_db) known='0.0..3.0' ;;
        lowpass.kind) known='butterworth chebyshev1 chebyshev2 elliptic bessel sinc' ;;
        lowpass.order) known='6/8/10/12' ;;
        lowpass.cutoff_share) known='0.15..0.75' ;;
        lowpass.ripple_db) known='0.05..1.0' ;;
        lowpass.stopband_db) known='40.0..80.0' ;;
        lowpass.passes) known='1 2' ;;
        mp3.kbps) known='8 16 24 32 40 48 56 64 80 96 112 128 144 160 192 224 256 320' ;;
        mp3.mode) known='cbr abr vbr' ;;
        mp3.vbr_quality) known='4' ;;
        mp3.coded_rate) known='auto 8000 11025 12000 16000 22050 24000 32000 44100 48000' ;;
        mp3.quality) known='2' ;;
        noise.folder) known='' ;;
        noise.snr_db) known='0.0..20.0' ;;
        noise.file | reverb.folder | reverb.file) known='drawn' ;;
        noise.start) known='0.0..1.0' ;;
        opus.quality) known='2.0/4.0' ;;
        opus.coded_rate) known='auto 8000 12000 16000 24000 48000' ;;
        reverb.decay_seconds) known='0.2..2.0' ;;
        reverb.drr_db) known='0.0..15.0' ;;
        reverb.predelay_ms) known='2.0..30.0' ;;
        reverb.damping_percent) known='0.0..60.0' ;;
        thumps.snr_db) known='5.0..25.0' ;;
        thumps.rate_per_second) known='0.3..2.0' ;;
        thumps.resonance_hz) known='8.0..30.0' ;;
        thumps.start_hz) known='40.0..120.0' ;;
        thumps.decay_ms) known='30.0..150.0' ;;
        thumps.click_db) known='off off/-12.0/-6.0' ;;
        thumps.level_spread_db) known='2.0..6.0' ;;
        vorbis.quality) known='0.0/2.0/5.0' ;;
        wow.wow_percent) known='0.1..1.0' ;;
        wow.wow_hz) known='0.5..2.0' ;;
        wow.wow_phase_degrees | wow.flutter_phase_degrees) known='0.0..360.0' ;;
        wow.flutter_percent) known='0.0..0.1' ;;
        wow.flutter_hz) known='6.0..20.0' ;;
    esac
}
# ---- end of the words ----

complete -o bashdefault -o default -F _audiorestore ar audiorestore
