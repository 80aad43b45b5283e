"""The command line. One file a command holds its arguments and its rendering, and no other logic."""
