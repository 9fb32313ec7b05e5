"""Ready-made networks, from a vector or a picture to a vector or a picture.

Anything else that maps one array to another serves too, such as the modules of equinox; but only
the networks here can be saved to a model file.
"""

from .bottom_up import BottomUp as BottomUp
from .broadcast import BroadcastDecoder as BroadcastDecoder
from .convolutional import ConvDecoder as ConvDecoder
from .convolutional import ConvEncoder as ConvEncoder
from .dense import MLP as MLP
from .dense import Dense as Dense
from .first import First as First
from .interface import AbstractNetwork as AbstractNetwork
from .interface import Given as Given
from .interface import Wrapped as Wrapped
from .interface import as_network as as_network
from .lowered import Lowered as Lowered
from .residual import ResidualMLP as ResidualMLP
