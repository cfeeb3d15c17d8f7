"""Log: what happened in the dock, in one list."""
