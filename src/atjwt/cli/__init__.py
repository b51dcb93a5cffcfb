"""The command line: one file per command, each with `add_to` (its arguments) and `run`.

On top of everything and imported by nobody. What a command needs is imported when it runs, so that
`--help` is quick and a missing extra is met by the command that needs it.
"""
