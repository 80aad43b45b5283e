"""The command line: one file a command, no logic beyond arguments and rendering."""
