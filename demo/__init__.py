"""`make demo`: a farm is irrigated on this machine, every part of it the real one.

The only room that knows all the others: it runs each of them in a process of its own, all on field time, and sums up
what they bring home.
"""
