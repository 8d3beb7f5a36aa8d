"""The synthesiser of demo audio: voices, instruments and whole pieces, made from nothing but seeds."""
