"""The command line: ``vbl COMMAND``, one of `vbl.cli.commands`."""
