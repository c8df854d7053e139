"""Reading and writing of files: completely or not at all, and with checksums.

What a file says belongs to the room that it is about.
"""
