"""Figures from interleaved rounds. Machines are noisy: a ratio is the median of the ratios within each round."""

import statistics


class Rounds:
    """Every figure of every round, by name."""

    def __init__(self):
        self.rounds = []

    def begin(self):
        self.rounds.append({})

    def add(self, name, value):
        self.rounds[-1][name] = value

    def median(self, name):
        values = [figures[name] for figures in self.rounds if name in figures]
        return statistics.median(values) if values else None

    def ratio(self, above, below):
        values = [figures[above] / figures[below] for figures in self.rounds if above in figures and below in figures]
        return statistics.median(values) if values else None


def show(title, rows):
    """Prints rows of cells as a Markdown table; the first row is the heading."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    print(f"\n{title}\n")
    for number, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def count(value):
    return "-" if value is None else f"{value:,.0f}"


def times(value):
    return "-" if value is None else f"{value:.2f}"
