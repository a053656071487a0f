"""One step: one asset's work on one upload, as rows show it to the user.

`rules` says what may happen, `work` is what a step's own code sees, `records` writes the rows and `runner` joins them:
lock, reuse, progress, deadline, storing, and the words for what went wrong, once for all assets.
"""
