"""Words that calls took before, beside those that they take now."""

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])


def also_batch_size(function: _F) -> _F:
    """The same function, which reads `batch_size` as `batch`, and refuses it by the word given.

    Raises: ValueError: both are given.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if "batch_size" not in kwargs:
            return function(*args, **kwargs)
        if "batch" in kwargs:
            raise ValueError("batch and batch_size are the same; give batch alone")
        kwargs["batch"] = kwargs.pop("batch_size")
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            raise ValueError(re.sub(r"\bbatch\b", "batch_size", str(error))) from None

    return cast(_F, called)
