"""How files are written and read back: whole or not at all, and with checksums.

What a file says belongs to the room that it is about.
"""
