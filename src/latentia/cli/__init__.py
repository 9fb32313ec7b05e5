"""The command line: one command in each file. JAX and scikit-learn load inside the commands."""

import click

from latentia import __version__

from .asking import infer, map_, sample, score
from .demo import demo
from .fitting import fit
from .info import info
from .planning import plan


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted.",
)
@click.version_option(__version__, prog_name="latentia")
def main() -> None:
    """Latent variable models of tables: fit them, compare them, and ask them.

    \b
    Try it on the Old Faithful geyser:
      latentia demo

    \b
    How many clusters has a table, and which row is in which?
      latentia fit data.csv --components 1:9 --out result
      latentia map result/model.safetensors data.csv
    """


for command in (plan, fit, map_, infer, score, sample, info, demo):
    main.add_command(command)
