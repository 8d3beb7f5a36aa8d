"""What can be wrong with a pair of recordings; without NumPy, so that help texts can name it quickly."""

# What can be accepted all the same; the most severe first.
FINDINGS = {
    "channels": "the degraded recording's channels are swapped",
    "polarity": "the degraded recording's polarity is inverted",
    "content": "the two do not look like the same recording",
    "drift": "the lag is not the same everywhere: another speed, wow, a cut or a gap",
}
