"""Words that calls took before, beside those that they take now."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])


def also_batch_size(function: _F) -> _F:
    """The same function, which reads `batch_size` as `batch`; ValueError where both are given."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if "batch_size" in kwargs:
            if "batch" in kwargs:
                raise ValueError("batch and batch_size are the same; give batch alone")
            kwargs["batch"] = kwargs.pop("batch_size")
        return function(*args, **kwargs)

    return cast(_F, called)
