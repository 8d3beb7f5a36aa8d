"""Sound as arrays: NumPy waveforms (…, time) in and out; no torch, no files, no printing."""
