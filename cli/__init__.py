"""The command line: one command a file; it parses, calls one library function and prints."""
