"""The model that is served: loaded from the bundle store, kept up to date with it, and run.

A request holds on to the model it began with, so a swap never fails or mixes up an answer.
"""
