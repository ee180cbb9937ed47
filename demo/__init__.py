"""`make demo`: a farm is irrigated on this machine, every part of it the real one.

The only part of the local cloud that knows the other rooms: it plays each of them in a process of its own, all on field
time, and sums up what they bring home.
"""
