"""Dates as real years: what a trend over time is fitted to, and can be differentiated by."""

import calendar
import datetime

import numpy as np

from jaxcost._support.messages import refused


def fractional_year(date: str | datetime.date) -> float:
    """A day as a year with a fraction: 2 July 2019 is about 2019.5.

    Args: date: a date, or one in ISO form (`2019-07-02`).
    Raises: ValueError: text that is no such date; the message shows the form.
    Example:
        >>> fractional_year("2015-01-01")
        2015.0
    """
    day = _parsed(date) if isinstance(date, str) else date
    first = datetime.date(day.year, 1, 1)
    return day.year + (day - first).days / (365 + calendar.isleap(day.year))


def fractional_years(dates: "list[str] | np.ndarray") -> np.ndarray:
    """`fractional_year` of each, shape `(dates,)`."""
    return np.array([fractional_year(str(date)) for date in dates], float)


def _parsed(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(refused("date", text, "a date such as 2019-05-28")) from None
