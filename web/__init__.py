"""What every HTTP server of the house needs: who somebody is, what they may, and a stream that misses nothing.

It knows nothing of farms. A server brings its pages, its table of rights and its numbered events.
"""
