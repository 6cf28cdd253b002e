"""Programs behind the commands, imported after the arguments are parsed."""
