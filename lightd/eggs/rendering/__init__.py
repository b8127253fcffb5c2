"""Changes configuration files as an egg says. Pure: from a text and its replacements to the new text.

What a file contains besides stays, with its comments and the order of its keys, and a file whose values are
right stays as it is, byte for byte. Files of a format that is not line by line are read as a whole, so their
size is limited. A replacement that does not fit to the file has no effect and is reported.
"""
