"""A title broken into lines; pure."""

from collections.abc import Callable, Sequence

__all__ = ["title_lines"]


def title_lines(words: Sequence[str], measure: Callable[[str], float], limit: float) -> tuple[str, ...]:
    """The fewest lines that fit, as even as possible; a word wider than the limit gets a line of its own."""
    count = len(words)
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]
    for end in range(1, count + 1):
        options = []
        for start in range(end):
            width = measure(" ".join(words[start:end]))
            if width > limit and end - start > 1:
                continue
            above, unevenness, _ = best[start]
            options.append((above + 1, unevenness + (1 - width / limit) ** 2, start))
        best.append(min(options))
    lines: list[str] = []
    at = count
    while at:
        start = best[at][2]
        lines.append(" ".join(words[start:at]))
        at = start
    return tuple(reversed(lines))
