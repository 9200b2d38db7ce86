import json
import math

import pytest

from jaxcost.papers import SummaryRow, write_summary


def test_the_relative_error_is_that_of_reproduced_to_published():
    assert SummaryRow("T", "time_s", 2.0, 3.0).relative_error == 0.5
    assert SummaryRow("T", "time_s", None, 3.0).relative_error is None
    assert SummaryRow("T", "time_s", 2.0, None).relative_error is None
    assert SummaryRow("T", "time_s", 0.0, 3.0).relative_error is None


def test_a_file_holds_the_promised_columns_in_order(tmp_path):
    rows = [
        SummaryRow("Table 1 (1)", "time_s", 0.1, 0.1000000149, "α"),
        SummaryRow("F", "x", None, 1),
    ]
    path = write_summary(tmp_path / "summary.json", rows)
    first, second = json.loads(path.read_text(encoding="utf-8"))
    columns = ["source", "quantity", "published", "reproduced", "relative_error", "note"]
    assert list(first) == list(second) == columns
    assert first == dict(zip(columns, ["Table 1 (1)", "time_s", 0.1, 0.1, 0.0, "α"]))
    assert second["published"] is None
    assert second["relative_error"] is None


def test_a_number_that_json_has_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_summary(tmp_path / "summary.json", [SummaryRow("T", "x", None, math.nan)])
    assert list(tmp_path.iterdir()) == []
