"""Linear algebra on one thread: a fit's matrices are so small that threads only wait."""

import scipy.linalg  # noqa: F401  (brings its own BLAS, and only what is loaded can be limited)
from threadpoolctl import threadpool_limits

one_thread = threadpool_limits.wrap(1, user_api="blas")
