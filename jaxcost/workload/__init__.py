"""What is designed: networks as layers, their operations, counts, training runs and tables."""

from jaxcost.workload.record import Workload, cnn, conv2d, dense, from_table, mlp, rows

__all__ = ["Workload", "cnn", "conv2d", "dense", "from_table", "mlp", "rows"]
