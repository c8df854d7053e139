"""Reading and writing of files: completely or not at all, and with checksums.

The content of a file belongs to the room of its subject.
"""
