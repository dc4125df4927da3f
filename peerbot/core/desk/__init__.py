"""What a node does for whoever asks it: the command line, in one process or over a socket."""
