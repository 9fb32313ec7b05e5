"""Pictures of models, in the manner of scikit-learn's displays: one file for each."""

from .calibration import CalibrationDisplay as CalibrationDisplay
from .calibration import plot_calibration as plot_calibration
from .clusters import ClustersDisplay as ClustersDisplay
from .clusters import plot_clusters as plot_clusters
from .item_curves import InformationDisplay as InformationDisplay
from .item_curves import ItemCurvesDisplay as ItemCurvesDisplay
from .item_curves import plot_information as plot_information
from .item_curves import plot_item_curves as plot_item_curves
from .loadings import LoadingsDisplay as LoadingsDisplay
from .loadings import plot_loadings as plot_loadings
from .paths import PathsDisplay as PathsDisplay
from .paths import plot_paths as plot_paths
from .profiles import ProfilesDisplay as ProfilesDisplay
from .profiles import plot_profiles as plot_profiles
from .selection import SelectionDisplay as SelectionDisplay
from .selection import plot_selection as plot_selection
from .states import StatesDisplay as StatesDisplay
from .states import plot_states as plot_states
from .topics import TopicsDisplay as TopicsDisplay
from .topics import plot_topics as plot_topics
from .trace import TraceDisplay as TraceDisplay
from .trace import plot_trace as plot_trace
from .uncertainty import UncertaintyDisplay as UncertaintyDisplay
from .uncertainty import plot_uncertainty as plot_uncertainty
