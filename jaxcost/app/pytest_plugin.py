"""What pytest finds of an installed jaxcost: `jaxcost_check`, which holds a model to a budget.

Nothing but pytest is imported before a test asks for it, so that no other test starts later.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jaxcost.trace.budget import BudgetCheck


@pytest.fixture(scope="session")
def jaxcost_check() -> "Callable[..., BudgetCheck]":
    """`jaxcost.check` that fails the test where a limit is exceeded, or not known to be kept.

    The failure shows a line a limit, and the layers that hold most of what is over. Returns the
    `BudgetCheck` where every limit is kept.
    """

    def held(*args: Any, **kwargs: Any) -> "BudgetCheck":
        __tracebackhide__ = True
        from jaxcost.trace.budget import check

        found = check(*args, **kwargs)
        if not found.passed:
            pytest.fail("\n".join([repr(found), *(f"! {line}" for line in found.warnings)]))
        return found

    return held
