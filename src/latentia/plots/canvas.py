"""What all pictures share: the colours, the axes to draw on, and a headline in plain words."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

# Okabe and Ito's colours, told apart by every kind of eye; without the yellow, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
# One fewer than the colours, so that the pairs of both repeat only after 42.
MARKERS = ("o", "s", "^", "D", "v", "<")
INK, MUTED, FAINT = "#222222", "#5F6368", "#D5D8DC"


def colour(index: int) -> str:
    """The colour of the group ``index``."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """The marker of the group ``index``: a second sign beside its colour."""
    return MARKERS[index % len(MARKERS)]


def axes_for(
    ax: Axes | None, size: tuple[float, float] = (6.4, 4.6)
) -> tuple[Axes, Figure | SubFigure]:
    """The axes to draw on and their figure: the caller's, or new ones of ``size`` inches."""
    if ax is None:
        # Loaded only here, since pyplot chooses a window system, which given axes already have.
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    elif not isinstance(ax, Axes):
        raise TypeError(
            f"ax should be a matplotlib Axes or None, but is a {type(ax).__name__}: pass one of "
            "the axes that matplotlib.pyplot.subplots() returns."
        )
    figure = ax.get_figure()
    assert figure is not None
    return ax, figure


def tidy(ax: Axes) -> None:
    """Keep of the frame only the two sides that carry numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(color=MUTED, labelcolor=INK)


def headline(ax: Axes, title: str, notes: Sequence[str] = ()) -> None:
    """A title on the left, and the notes that are not empty in small type below it."""
    said = [note for note in notes if note]
    ax.set_title(title, loc="left", color=INK, fontsize=11, pad=10 + 12 * len(said))
    if said:
        ax.annotate(
            "\n".join(said),
            xy=(0, 1),
            xytext=(0, 8),
            xycoords="axes fraction",
            textcoords="offset points",
            va="bottom",
            color=MUTED,
            fontsize=8.5,
        )


def legend(ax: Axes, handles: Sequence[object], title: str, *, gap: float = 0.01) -> None:
    """A legend beside the axes, where it hides no data; ``gap`` is in widths of the axes."""
    ax.legend(
        handles=list(handles),  # pyright: ignore[reportArgumentType]
        title=title,
        loc="upper left",
        bbox_to_anchor=(1 + gap, 1.0),
        frameon=False,
        alignment="left",
        fontsize=9,
        title_fontsize=9,
    )


def left_out(count: int) -> str:
    """The note about points that have no place in the picture; empty if there are none."""
    if count == 0:
        return ""
    return f"Not shown: {count} {'point' if count == 1 else 'points'} with missing values"
