"""The work: it yields records and events, and never talks to a terminal."""
