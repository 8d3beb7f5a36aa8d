"""Models that come with the program: ``NAME.safetensors`` each, used by name; none yet."""
