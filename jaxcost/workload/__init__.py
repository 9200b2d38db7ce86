"""What is designed: networks as layers, their operations, counts, training runs and tables."""

from jaxcost.workload import counts
from jaxcost.workload.builders import cnn, conv2d, dense, from_table, mlp
from jaxcost.workload.families import network_of_size, parameter_count
from jaxcost.workload.record import Workload, rows

__all__ = [
    "Workload",
    "cnn",
    "conv2d",
    "counts",
    "dense",
    "from_table",
    "mlp",
    "network_of_size",
    "parameter_count",
    "rows",
]
