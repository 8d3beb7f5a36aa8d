# Completions of audiorestore's `ar`, and of `audiorestore`, for fish. No program is started.
#
# To install, link this file under both names, from which fish reads it once it is needed:
#
#     ln -s /path/to/completions/ar.fish ~/.config/fish/completions/ar.fish
#     ln -s /path/to/completions/ar.fish ~/.config/fish/completions/audiorestore.fish
#
# What is no subcommand gets fish's default, which is files: `ar rcs library.a …` is the archiver's.

# The first word is being written.
function __audiorestore_first
    test (count (commandline -opc)) -eq 1
end

# The first word is this subcommand.
function __audiorestore_in
    set -l typed (commandline -opc)
    test "$typed[2]" = $argv[1]
end

# List the arguments so far: what is neither an option nor its value.
function __audiorestore_arguments
    set -l typed (commandline -opc)
    set -l ended no
    set -l skip no
    for word in $typed[3..]
        if test $skip = yes
            set skip no
        else if test $ended = yes; or not string match -q -- '-?*' $word
            echo $word
        else if test $word = --
            set ended yes
        else if __audiorestore_takes_value $typed[2].$word
            set skip yes
        end
    end
end

# The argument of this number is being written.
function __audiorestore_argument
    test (count (__audiorestore_arguments)) -eq (math $argv[1] - 1)
end

# What is written of the value so far, without an open quote, or the option that it is joined to.
function __audiorestore_part
    commandline -ct | string replace -r -- '^--[^=]*=' '' | string replace -r -- '^[\'"]' ''
end

# Folders, and files that end so.
function __audiorestore_files
    string match -r -- "^[^\t]*(?:/|"(string escape --style=regex -- $argv[1])")(?:\t.*)?\$" (
        complete -C"'' "(commandline -ct | string replace -r -- '^--[^=]*=' ''))
end

function __audiorestore_preset
    __audiorestore_presets (__audiorestore_arguments)[1]
end

# List words behind what stands before them already.
function __audiorestore_behind
    for word in $argv[2..]
        printf '%s\n' $argv[1]$word
    end
end

# key=value
function __audiorestore_setting
    set -l family (__audiorestore_arguments)[1]
    set -l key (string split -m 1 -- = (__audiorestore_part))
    if set -q key[2]
        __audiorestore_behind $key[1]= (__audiorestore_setting_values "$family.$key[1]")
    else
        set -l keys (__audiorestore_settings "$family")
        printf '%s\n' $keys=
    end
end

# damage:parameter=value/value,parameter=value|damage
function __audiorestore_chain
    set -l part (__audiorestore_part)
    set -l link (string match -r -- '[^|]*$' $part | string trim -l)
    set -l damage (string split -m 1 -- : $link)
    set -l key (string match -r -- '([^:,]*)=[^,]*$' $link)[2]
    if not set -q damage[2]
        __audiorestore_behind (string replace -r -- '[^| ]*$' '' $part) $__audiorestore_damages:
    else if test -n "$key"
        __audiorestore_behind (string replace -r -- '[^=/]*$' '' $part) (
            __audiorestore_parameter_values $damage[1].$key)
    else
        for parameter in (__audiorestore_parameters $damage[1])
            if not string match -q -- "*,$parameter=*" ,$damage[2] # each is set once
                __audiorestore_behind (string replace -r -- '[^:,]*$' '' $part) $parameter=
            end
        end
    end
end

complete -c ar -e
complete -c audiorestore -e
complete -c audiorestore -w ar
complete -c ar -n __audiorestore_first -f

# ---- words, written by completions/generate ----
set -g __audiorestore_damages bits clicks clip crackle downsample dropout ffmpeg gain hiss hum lowpass mp3 noise opus reverb thumps vorbis wow

# A family's presets, or those of all.
function __audiorestore_presets
    switch $argv[1]
        case 'audiounet'
            printf '%s\n' paper sulun small
        case 'autoencoder'
            printf '%s\n' paper paper-2 paper-3 paper-4 paper-5 paper-6 paper-7 paper-residual small
        case 'cnn' 'mlp' 'unet' 'wavenet'
            printf '%s\n' paper paper-residual small
        case 'identity' 'level' 'resample' 'tfilm'
            printf '%s\n' paper small
        case '*'
            printf '%s\n' paper sulun small paper-2 paper-3 paper-4 paper-5 paper-6 paper-7 paper-residual
    end
end

# The settings of a family and its training, or of all.
function __audiorestore_settings
    switch $argv[1]
        case 'audiounet'
            printf '%s\n' sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain \
                optimizer learning_rate weight_decay schedule warmup_steps plateau_patience \
                cycle_steps cycle_decay batch_size segment_frames steps epochs minutes \
                validate_every validation_seconds patience clip_norm seed
        case 'autoencoder'
            printf '%s\n' sample_rate channels depth latent kernel_size n_fft hop_length loss ssim_weight \
                ssim_k1 ssim_k2 ssim_range residual optimizer learning_rate weight_decay schedule \
                warmup_steps plateau_patience cycle_steps cycle_decay batch_size segment_frames \
                steps epochs minutes validate_every validation_seconds patience clip_norm seed
        case 'cnn'
            printf '%s\n' sample_rate channels window parameters activation pooling residual kernel_sizes \
                dilation dense_layers optimizer learning_rate weight_decay schedule warmup_steps \
                plateau_patience cycle_steps cycle_decay batch_size segment_frames steps epochs \
                minutes validate_every validation_seconds patience clip_norm seed
        case 'identity'
            printf '%s\n' sample_rate channels
        case 'level'
            printf '%s\n' sample_rate channels optimizer learning_rate weight_decay schedule warmup_steps \
                plateau_patience cycle_steps cycle_decay batch_size segment_frames steps epochs \
                minutes validate_every validation_seconds patience clip_norm seed
        case 'mlp'
            printf '%s\n' sample_rate channels window parameters activation pooling residual layers optimizer \
                learning_rate weight_decay schedule warmup_steps plateau_patience cycle_steps \
                cycle_decay batch_size segment_frames steps epochs minutes validate_every \
                validation_seconds patience clip_norm seed
        case 'resample'
            printf '%s\n' sample_rate channels through_rate
        case 'tfilm'
            printf '%s\n' sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain block \
                window overlap optimizer learning_rate weight_decay schedule warmup_steps \
                plateau_patience cycle_steps cycle_decay batch_size segment_frames steps epochs \
                minutes validate_every validation_seconds patience clip_norm seed
        case 'unet'
            printf '%s\n' sample_rate channels window parameters activation pooling residual levels \
                kernel_size overlap optimizer learning_rate weight_decay schedule warmup_steps \
                plateau_patience cycle_steps cycle_decay batch_size segment_frames steps epochs \
                minutes validate_every validation_seconds patience clip_norm seed
        case 'wavenet'
            printf '%s\n' sample_rate channels hidden_channels stacks layers last_channels loss residual \
                optimizer learning_rate weight_decay schedule warmup_steps plateau_patience \
                cycle_steps cycle_decay batch_size segment_frames steps epochs minutes \
                validate_every validation_seconds patience clip_norm seed
        case '*'
            printf '%s\n' sample_rate channels hidden_channels kernel_sizes dropout slope trained_gain \
                optimizer learning_rate weight_decay schedule warmup_steps plateau_patience \
                cycle_steps cycle_decay batch_size segment_frames steps epochs minutes \
                validate_every validation_seconds patience clip_norm seed depth latent kernel_size \
                n_fft hop_length loss ssim_weight ssim_k1 ssim_k2 ssim_range residual window \
                parameters activation pooling dilation dense_layers layers through_rate block \
                overlap levels stacks last_channels
    end
end

# FAMILY.SETTING: its values, where they can be listed.
function __audiorestore_setting_values
    switch $argv[1]
        case '*.trained_gain' '*.residual'
            printf '%s\n' true false
        case '*.optimizer'
            printf '%s\n' adam adamw nadam radam rmsprop sgd
        case '*.schedule'
            printf '%s\n' constant cosine plateau cyclical
        case '*.epochs' '*.minutes'
            printf '%s\n' none
        case 'wavenet.loss' '*.loss'
            printf '%s\n' energy mse
        case '*.activation'
            printf '%s\n' tanh relu silu
        case '*.pooling'
            printf '%s\n' none max avg lp2 lp3
    end
end

# A damage's parameters.
function __audiorestore_parameters
    switch $argv[1]
        case 'bits'
            printf '%s\n' bits dither noise_seed
        case 'clicks'
            printf '%s\n' snr_db rate_per_second length_ms length_spread level_spread_db rpm repeating_percent \
                disc noise_seed
        case 'clip'
            printf '%s\n' threshold_db relative_to kind sdr_db
        case 'crackle'
            printf '%s\n' snr_db rate_per_second length_ms length_spread level_spread_db disc noise_seed
        case 'downsample'
            printf '%s\n' rate_hz factor method
        case 'dropout'
            printf '%s\n' packet_ms loss_percent burst_packets good_loss_percent bad_loss_percent fill \
                loss_seed
        case 'ffmpeg'
            printf '%s\n' codec kbps coded_rate
        case 'gain'
            printf '%s\n' gain_db polarity
        case 'hiss'
            printf '%s\n' snr_db colour noise_seed
        case 'hum'
            printf '%s\n' snr_db mains_hz offset_percent harmonics tilt_db_per_octave harmonic_spread_db \
                channel_spread_db noise_seed
        case 'lowpass'
            printf '%s\n' kind order cutoff_hz cutoff_share ripple_db stopband_db passes
        case 'mp3'
            printf '%s\n' kbps mode vbr_quality coded_rate quality
        case 'noise'
            printf '%s\n' folder snr_db file start
        case 'opus' 'vorbis'
            printf '%s\n' kbps quality coded_rate
        case 'reverb'
            printf '%s\n' folder file decay_seconds drr_db predelay_ms damping_percent noise_seed
        case 'thumps'
            printf '%s\n' snr_db rate_per_second resonance_hz start_hz decay_ms click_db level_spread_db rpm \
                repeating_percent disc noise_seed
        case 'wow'
            printf '%s\n' wow_percent wow_hz wow_phase_degrees flutter_percent flutter_hz \
                flutter_phase_degrees
    end
end

# DAMAGE.PARAMETER: its values; of a number the default, to show how it is written.
function __audiorestore_parameter_values
    switch $argv[1]
        case 'bits.bits'
            printf '%s\n' 4/6/8/10/12
        case 'bits.dither'
            printf '%s\n' none rectangular triangular
        case 'bits.noise_seed' 'clicks.noise_seed' 'crackle.noise_seed' 'dropout.loss_seed' 'hiss.noise_seed' 'hum.noise_seed' 'reverb.noise_seed' 'thumps.noise_seed'
            printf '%s\n' 0..4294967295
        case 'clicks.snr_db' 'crackle.snr_db'
            printf '%s\n' 15.0..35.0
        case 'clicks.rate_per_second' 'dropout.loss_percent'
            printf '%s\n' 2.0..20.0
        case 'clicks.length_ms'
            printf '%s\n' 0.8..1.6
        case 'clicks.length_spread'
            printf '%s\n' 2.0
        case 'clicks.level_spread_db'
            printf '%s\n' 3.0..7.0
        case 'clicks.rpm' 'thumps.rpm'
            printf '%s\n' off off/33.333/45.0/78.0
        case 'clicks.repeating_percent' 'thumps.repeating_percent'
            printf '%s\n' 50.0
        case 'clicks.disc' 'crackle.disc' 'thumps.disc'
            printf '%s\n' mono stereo
        case 'clip.threshold_db'
            printf '%s\n' -15.0..-3.0
        case 'clip.relative_to'
            printf '%s\n' peak full_scale
        case 'clip.kind'
            printf '%s\n' hard soft
        case 'clip.sdr_db'
            printf '%s\n' off off
        case 'crackle.rate_per_second'
            printf '%s\n' 200.0..2000.0
        case 'crackle.length_ms'
            printf '%s\n' 0.2..0.4
        case 'crackle.length_spread'
            printf '%s\n' 1.6
        case 'crackle.level_spread_db'
            printf '%s\n' 4.0..8.0
        case 'downsample.rate_hz' 'ffmpeg.kbps' 'lowpass.cutoff_hz' 'opus.kbps' 'vorbis.kbps'
            printf '%s\n' auto auto
        case 'downsample.factor'
            printf '%s\n' 2/3/4/6
        case 'downsample.method'
            printf '%s\n' soxr decimate linear nearest
        case 'dropout.packet_ms'
            printf '%s\n' 10.0/20.0/40.0/60.0
        case 'dropout.burst_packets'
            printf '%s\n' 1.0..4.0
        case 'dropout.good_loss_percent'
            printf '%s\n' 0.0
        case 'dropout.bad_loss_percent'
            printf '%s\n' 100.0
        case 'dropout.fill'
            printf '%s\n' zero repeat fade
        case 'ffmpeg.codec'
            printf '%s\n' aac ac3 adpcm_ima adpcm_ms alaw amr_nb amr_wb eac3 g722 g723_1 g726 gsm mp2 mulaw \
                sbc speex wma
        case 'ffmpeg.coded_rate' 'vorbis.coded_rate'
            printf '%s\n' auto 8000 11025 12000 16000 22050 24000 32000 44100 48000 88200 96000
        case 'gain.gain_db'
            printf '%s\n' -12.0..6.0
        case 'gain.polarity'
            printf '%s\n' keep turn
        case 'hiss.snr_db'
            printf '%s\n' 10.0..30.0
        case 'hiss.colour'
            printf '%s\n' white pink tape
        case 'hum.snr_db'
            printf '%s\n' 10.0..40.0
        case 'hum.mains_hz'
            printf '%s\n' 50 60
        case 'hum.offset_percent'
            printf '%s\n' -0.2..0.2
        case 'hum.harmonics'
            printf '%s\n' 5..40
        case 'hum.tilt_db_per_octave'
            printf '%s\n' -12.0..-5.0
        case 'hum.harmonic_spread_db'
            printf '%s\n' 0.0..6.0
        case 'hum.channel_spread_db'
            printf '%s\n' 0.0..3.0
        case 'lowpass.kind'
            printf '%s\n' butterworth chebyshev1 chebyshev2 elliptic bessel sinc
        case 'lowpass.order'
            printf '%s\n' 6/8/10/12
        case 'lowpass.cutoff_share'
            printf '%s\n' 0.15..0.75
        case 'lowpass.ripple_db'
            printf '%s\n' 0.05..1.0
        case 'lowpass.stopband_db'
            printf '%s\n' 40.0..80.0
        case 'lowpass.passes'
            printf '%s\n' 1 2
        case 'mp3.kbps'
            printf '%s\n' 8 16 24 32 40 48 56 64 80 96 112 128 144 160 192 224 256 320
        case 'mp3.mode'
            printf '%s\n' cbr abr vbr
        case 'mp3.vbr_quality'
            printf '%s\n' 4
        case 'mp3.coded_rate'
            printf '%s\n' auto 8000 11025 12000 16000 22050 24000 32000 44100 48000
        case 'mp3.quality'
            printf '%s\n' 2
        case 'noise.folder'
            printf '%s\n' 
        case 'noise.snr_db'
            printf '%s\n' 0.0..20.0
        case 'noise.file' 'reverb.folder' 'reverb.file'
            printf '%s\n' drawn
        case 'noise.start'
            printf '%s\n' 0.0..1.0
        case 'opus.quality'
            printf '%s\n' 2.0/4.0
        case 'opus.coded_rate'
            printf '%s\n' auto 8000 12000 16000 24000 48000
        case 'reverb.decay_seconds'
            printf '%s\n' 0.2..2.0
        case 'reverb.drr_db'
            printf '%s\n' 0.0..15.0
        case 'reverb.predelay_ms'
            printf '%s\n' 2.0..30.0
        case 'reverb.damping_percent'
            printf '%s\n' 0.0..60.0
        case 'thumps.snr_db'
            printf '%s\n' 5.0..25.0
        case 'thumps.rate_per_second'
            printf '%s\n' 0.3..2.0
        case 'thumps.resonance_hz'
            printf '%s\n' 8.0..30.0
        case 'thumps.start_hz'
            printf '%s\n' 40.0..120.0
        case 'thumps.decay_ms'
            printf '%s\n' 30.0..150.0
        case 'thumps.click_db'
            printf '%s\n' off off/-12.0/-6.0
        case 'thumps.level_spread_db'
            printf '%s\n' 2.0..6.0
        case 'vorbis.quality'
            printf '%s\n' 0.0/2.0/5.0
        case 'wow.wow_percent'
            printf '%s\n' 0.1..1.0
        case 'wow.wow_hz'
            printf '%s\n' 0.5..2.0
        case 'wow.wow_phase_degrees' 'wow.flutter_phase_degrees'
            printf '%s\n' 0.0..360.0
        case 'wow.flutter_percent'
            printf '%s\n' 0.0..0.1
        case 'wow.flutter_hz'
            printf '%s\n' 6.0..20.0
    end
end

# COMMAND.OPTION: true for an option that takes a value.
function __audiorestore_takes_value
    switch $argv[1]
        case degrade.--output degrade.-o degrade.--chain degrade.--per degrade.--format degrade.--seed \
            degrade.--jobs degrade.-j
            return 0
        case pair.--reference pair.--degraded pair.--output pair.-o pair.--level pair.--allow pair.--split \
            pair.--group-by pair.--format pair.--plot pair.--seed pair.--jobs pair.-j
            return 0
        case train.--output train.-o train.--preset train.--set train.--steps train.--epochs train.--minutes \
            train.--device train.--seed
            return 0
        case restore.--model restore.-m restore.--output restore.-o restore.--residual restore.--mix \
            restore.--bits restore.--clip restore.--device restore.--seed
            return 0
        case eval.--reference eval.--degraded eval.--restored eval.--metric eval.--jobs eval.-j eval.--format \
            eval.--by eval.--require eval.--baseline eval.--tolerance eval.--junit eval.--plot eval.--report \
            eval.--log eval.--listening-test eval.--kind eval.--ratings
            return 0
        case quantize.--dtype quantize.--output quantize.-o quantize.--pairs
            return 0
        case demo.--sample-rate demo.--jobs demo.-j
            return 0
    end
    return 1
end

complete -c ar -n '__audiorestore_first' -l version -d 'Show the version'
complete -c ar -n '__audiorestore_first' -l help -s h -d 'Show this message and exit'

complete -c ar -n __audiorestore_first -f -a degrade -d 'Hurt clean audio on purpose, and write a record of what was done to each file'
complete -c ar -n '__audiorestore_in degrade' -l output -s o -r -F -d 'Folder for the degraded files'
complete -c ar -n '__audiorestore_in degrade' -l chain -x -a '(__audiorestore_chain)' -d 'Damages one after another, as in mp3:kbps=96|hiss:snr_db=10..30'
complete -c ar -n '__audiorestore_in degrade' -l per -x -d 'How many different versions are made of each file'
complete -c ar -n '__audiorestore_in degrade' -l keep-encoded -d 'Keep what codecs made (.mp3 …) beside the degraded files'
complete -c ar -n '__audiorestore_in degrade' -l format -x -a 'wav flac' -d 'wav is float32, flac 24 bit'
complete -c ar -n '__audiorestore_in degrade' -l seed -x -d 'What every random draw hangs on'
complete -c ar -n '__audiorestore_in degrade' -l jobs -s j -x -d 'Files worked on at the same time'
complete -c ar -n '__audiorestore_in degrade' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in degrade' -l list -d 'Show each damage with its parameters, units, ranges and source'
complete -c ar -n '__audiorestore_in degrade' -l help -s h -d 'Show this message and exit'

complete -c ar -n __audiorestore_first -f -a pair -d 'Lay degraded audio over its reference sample by sample, prove it, and give each pair a split'
complete -c ar -n '__audiorestore_in pair' -l reference -r -F -d 'Folder (or file) of clean audio, instead of records'
complete -c ar -n '__audiorestore_in pair' -l degraded -r -F -d 'Folder (or file) of your own degraded audio, by name'
complete -c ar -n '__audiorestore_in pair' -l output -s o -r -F -d 'Folder for aligned copies, where any are needed'
complete -c ar -n '__audiorestore_in pair' -l level -x -a 'keep match' -d 'Keep the degraded level, or match the reference\'s'
complete -c ar -n '__audiorestore_in pair' -l allow -x -a 'channels polarity content drift' -d 'Let a finding through, and tell it in the record, instead of refusing the pair: channels, polarity, content, drift'
complete -c ar -n '__audiorestore_in pair' -l split -x -d 'Shares of train:val:test, or train:test'
complete -c ar -n '__audiorestore_in pair' -l group-by -x -a 'folder path: field:' -d 'What stays in one split: folder, path:REGEX (its first group, or all of the match) or field:NAME'
complete -c ar -n '__audiorestore_in pair' -l format -x -a 'jsonl nemo lhotse' -d 'Records, or lines as NeMo or Lhotse read them'
complete -c ar -n '__audiorestore_in pair' -l plot -r -F -d 'Folder for a picture of each pair: waveforms, spectrograms and difference'
complete -c ar -n '__audiorestore_in pair' -l check -d 'Only verify that a manifest of pairs still holds'
complete -c ar -n '__audiorestore_in pair' -l seed -x -d 'What every random draw hangs on'
complete -c ar -n '__audiorestore_in pair' -l jobs -s j -x -d 'Files worked on at the same time'
complete -c ar -n '__audiorestore_in pair' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in pair' -l help -s h -d 'Show this message and exit'

complete -c ar -n __audiorestore_first -f -a train -d 'Train a model of any family on the pairs\' train split, and keep the one that is best on the val split'
complete -c ar -n '__audiorestore_in train' -l output -s o -r -F -d 'Checkpoint to write (.safetensors)'
complete -c ar -n '__audiorestore_in train' -l preset -x -a '(__audiorestore_preset)' -d 'Named settings'
complete -c ar -n '__audiorestore_in train' -l set -x -a '(__audiorestore_setting)' -d 'Change one setting of model or training'
complete -c ar -n '__audiorestore_in train' -l steps -x -d 'Budget in steps'
complete -c ar -n '__audiorestore_in train' -l epochs -x -d 'Budget in passes over the training split'
complete -c ar -n '__audiorestore_in train' -l minutes -x -d 'Budget in minutes'
complete -c ar -n '__audiorestore_in train' -l device -x -a 'auto cpu cuda' -d 'auto, cpu, cuda, cuda:1 …'
complete -c ar -n '__audiorestore_in train' -l seed -x -d 'What every random draw hangs on'
complete -c ar -n '__audiorestore_in train' -l resume -d 'Go on where an interrupted run stopped'
complete -c ar -n '__audiorestore_in train' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in train' -l help -s h -d 'Show this message and exit'
complete -c ar -n '__audiorestore_in train; and __audiorestore_argument 1' -x -a 'audiounet autoencoder cnn identity level mlp resample tfilm unet wavenet'

complete -c ar -n __audiorestore_first -f -a restore -d 'Restore damaged audio: same sample rate, channels, length and bit depth out as in'
complete -c ar -n '__audiorestore_in restore' -l model -s m -x -a 'identity resample (__audiorestore_files .safetensors)' -d 'A checkpoint, or a family with nothing to train (identity)'
complete -c ar -n '__audiorestore_in restore' -l output -s o -r -F -d 'A file for one input, a folder for many, - for WAV on stdout'
complete -c ar -n '__audiorestore_in restore' -l residual -r -F -d 'Write what was removed (input minus output) to this file or folder'
complete -c ar -n '__audiorestore_in restore' -l mix -x -d '1: restored, 0: the input, between: a blend'
complete -c ar -n '__audiorestore_in restore' -l bits -x -a '16 24 float' -d 'Output depth'
complete -c ar -n '__audiorestore_in restore' -l clip -x -a 'saturate refuse' -d 'What to do with samples over full scale'
complete -c ar -n '__audiorestore_in restore' -l dither -d 'Triangular dither before rounding to 16 or 24 bit'
complete -c ar -n '__audiorestore_in restore' -l device -x -a 'auto cpu cuda' -d 'auto, cpu, cuda, cuda:1 …'
complete -c ar -n '__audiorestore_in restore' -l seed -x -d 'What every random draw hangs on'
complete -c ar -n '__audiorestore_in restore' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in restore' -l help -s h -d 'Show this message and exit'

complete -c ar -n __audiorestore_first -f -a eval -d 'Measure restored and degraded audio against the reference, each also with the best single gain'
complete -c ar -n '__audiorestore_in eval' -l reference -r -F -d 'Folder (or file) of clean audio, instead of records'
complete -c ar -n '__audiorestore_in eval' -l degraded -r -F -d 'Folder (or file) of the same names, as it was'
complete -c ar -n '__audiorestore_in eval' -l restored -r -F -d 'Folder (or file) of the same names, restored'
complete -c ar -n '__audiorestore_in eval' -l metric -x -a 'all bandwidth log_mel lsd mr_stft mse peaq pesq segmental_snr si_sdr snr spectral_mse ssim stoi' -d 'Measure only this, such as snr'
complete -c ar -n '__audiorestore_in eval' -l align -d 'Undo a lag before measuring, and measure only where both recordings are'
complete -c ar -n '__audiorestore_in eval' -l jobs -s j -x -d 'Files worked on at the same time'
complete -c ar -n '__audiorestore_in eval' -l list -d 'Show each metric with its numbers, units, limits and source, and end'
complete -c ar -n '__audiorestore_in eval' -l format -x -a 'records json csv markdown' -d 'What stdout gets: a record a file, or the summary'
complete -c ar -n '__audiorestore_in eval' -l by -x -d 'A part of the table for each value of this field, such as damage.mp3.kbps or group'
complete -c ar -n '__audiorestore_in eval' -l require -x -d 'End with status 4 unless this holds, such as \'restored.snr_db>=degraded.snr_db+1.0\': in the mean, with median: in front in the median, with all: for every record'
complete -c ar -n '__audiorestore_in eval' -l baseline -r -F -d 'Records that an earlier eval wrote: end with status 4 where the mean of a number is worse now, or a record is missing'
complete -c ar -n '__audiorestore_in eval' -l tolerance -x -d 'By how much a number may be worse than in the baseline, such as lsd_db=0.05'
complete -c ar -n '__audiorestore_in eval' -l junit -r -F -d 'Write gates and failed records as the XML of JUnit, for build servers'
complete -c ar -n '__audiorestore_in eval' -l plot -r -F -d 'Folder for a PNG of each record: spectrograms, and those of what differs from the reference'
complete -c ar -n '__audiorestore_in eval' -l report -r -F -d 'Write one HTML page with tables, pictures and sound, to be opened anywhere'
complete -c ar -n '__audiorestore_in eval' -l log -r -F -d 'A log of ar train, whose curves the report shows'
complete -c ar -n '__audiorestore_in eval' -l listening-test -r -F -d 'Measure nothing'
complete -c ar -n '__audiorestore_in eval' -l kind -x -a 'mos mushra acr cmp' -d 'What listeners are asked in the listening test'
complete -c ar -n '__audiorestore_in eval' -l ratings -r -F -d 'Measure nothing'
complete -c ar -n '__audiorestore_in eval' -l help -s h -d 'Show this message and exit'

complete -c ar -n __audiorestore_first -f -a quantize -d 'Store a model\'s weights in int8, a quarter of the size, and compute in int8 where that is faster'
complete -c ar -n '__audiorestore_in quantize' -l dtype -x -a 'int8 float16' -d 'What to store numbers in: int8, a quarter of the size, or float16, half of it'
complete -c ar -n '__audiorestore_in quantize' -l output -s o -r -F -d 'Checkpoint to write (.safetensors)'
complete -c ar -n '__audiorestore_in quantize' -l pairs -r -F -d 'Manifest of pairs to measure SNR, LSD and speed on before and after'
complete -c ar -n '__audiorestore_in quantize' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in quantize' -l help -s h -d 'Show this message and exit'
complete -c ar -n '__audiorestore_in quantize; and __audiorestore_argument 1' -x -a '(__audiorestore_files .safetensors)'

complete -c ar -n __audiorestore_first -f -a models -d 'List the model families and their presets, the settings of one, or what a checkpoint file is'
complete -c ar -n '__audiorestore_in models' -l names -d 'Only the families\' names, one a line'
complete -c ar -n '__audiorestore_in models' -l json -d 'The same as one JSON object'
complete -c ar -n '__audiorestore_in models' -l help -s h -d 'Show this message and exit'
complete -c ar -n '__audiorestore_in models; and __audiorestore_argument 1' -x -a 'audiounet autoencoder cnn identity level mlp resample tfilm unet wavenet (__audiorestore_files .safetensors)'

complete -c ar -n __audiorestore_first -f -a demo -d 'Render a minute of demo audio: plucked strings, drums, a singing formant voice, bells, an organ, mixes'
complete -c ar -n '__audiorestore_in demo' -l sample-rate -x -d 'In Hz'
complete -c ar -n '__audiorestore_in demo' -l jobs -s j -x -d 'Files worked on at the same time'
complete -c ar -n '__audiorestore_in demo' -l force -s f -d 'Replace files that exist already'
complete -c ar -n '__audiorestore_in demo' -l help -s h -d 'Show this message and exit'
# ---- end of the words ----
