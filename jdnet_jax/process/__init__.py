"""The process itself: its command line, messages, signals, native libraries, and the other processes of its run.

Nothing here knows of networks or photos.
"""
