"""Forms: settings of a run as lines, lists and switches, made from its configuration."""
