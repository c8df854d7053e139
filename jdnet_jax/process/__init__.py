"""The process: command line, messages, signals, native libraries, and the other processes of a run.

Nothing here knows of networks or photos.
"""
