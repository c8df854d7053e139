"""The process: command line, messages, signals, native libraries, and the other processes of a run.

It knows nothing about networks or photos.
"""
