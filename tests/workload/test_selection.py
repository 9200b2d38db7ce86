"""Rows of one device, and of one precision, chosen among several."""

import pandas as pd
import pytest

from jaxcost.workload.selection import one_of

BOTH = pd.DataFrame({"device": ["a", "b"], "dtype": ["float32", "bfloat16"]})


@pytest.mark.parametrize(
    ("column", "names", "kind"),
    [("device", ("a", "b"), "devices"), ("dtype", ("float32", "bfloat16"), "precisions")],
)
def test_one_is_chosen_among_several(column, names, kind):
    assert one_of(BOTH, column, names[1], "t.csv").index.tolist() == [1]
    first, second = sorted(names)
    message = rf"t.csv: column '{column}' has 2 {kind} \({first}, {second}\).*--{column} {first}"
    with pytest.raises(ValueError, match=message):
        one_of(BOTH, column, None, "t.csv")
    with pytest.raises(ValueError, match=rf"{column} = 'c' is not allowed; give one of {first}, "):
        one_of(BOTH, column, "c", "t.csv")


def test_the_only_one_is_taken_and_none_is_needed():
    assert len(one_of(BOTH.iloc[:1], "device", None, "t.csv")) == 1
    assert len(one_of(BOTH.drop(columns="device"), "device", None, "t.csv")) == 2
