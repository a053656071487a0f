"""What keeps an installation small and its rows true: retention, orphans, tallies, stuck steps, and a look at the tools.

Schedules and `cliply sweep` call the same functions; each does a bounded batch, and may be interrupted and repeated.
"""
