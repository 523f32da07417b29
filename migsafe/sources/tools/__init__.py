"""What the files of each migration tool mean: their markers, their order, their transactions.

A file's text keeps its length and its lines: what does not run is made blank, so every offset of the text
is an offset of the file.
"""
