"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """A mistake of the user's, told in one line: what is wrong, where, and what to do.

    Commands print the message without a traceback and exit with status 2. Library code raises it where the
    cause lies outside the program: a config value, a path, a file's content, a full disk.
    """
