"""A small table with a column of each kind."""

DATA = {
    "flag": [True, None, False, True],
    "text": ["no", "yes", None, "yes"],
    "two": [5, 7, 7, 5],
    "many": [3, 0, 12, 3],
    "below": [-1, 4, 5, 6],
    "real": [0.5, None, 2.0, 1.0],
}
