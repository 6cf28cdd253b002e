"""What every command shares: parser, output, signals, verdicts, exit codes."""
