"""One file per subcommand: arguments to engine calls, events to words; heavy imports inside the functions."""
