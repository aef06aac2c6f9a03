"""Frames become matrices of numbers, and come back as they were."""

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

from skgen.containers import as_frame
from skgen.dtypes import table_from_plain, table_to_plain
from skgen.table import conditions_of, frame_of, read_numbers, read_table, values_of

DAYS = pd.to_datetime(["2020-01-01", "2020-02-01", "2021-01-01", "2021-06-01"])
PANDAS = {
    "float": pd.Series([0.5, 1.25, -3.0, 2.0]),
    "float32": pd.Series([0.1, 0.2, 0.4, 0.3], dtype="float32"),
    "whole": pd.Series([1.0, 3.0, 2.0, 7.0]),
    "integer": pd.Series([1, 3, 2, 7]),
    "uint8": pd.Series([1, 3, 2, 255], dtype="uint8"),
    "Int64": pd.Series([1, 3, 2, 7], dtype="Int64"),
    "Float64": pd.Series([0.5, 3, 2, 7], dtype="Float64"),
    "arrow": pd.Series([1, 3, 2, 7], dtype="int64[pyarrow]"),
    "bool": pd.Series([True, False, True, True]),
    "boolean": pd.Series([True, False, True, True], dtype="boolean"),
    "object of bool": pd.Series([True, False, True, True], dtype=object),
    "object of numbers": pd.Series([1.5, 2.5, 2.5, 3.0], dtype=object),
    "str": pd.Series(["a", "b", "b", "a"]),
    "object of str": pd.Series(["a", "b", "b", "a"], dtype=object),
    "string": pd.Series(["a", "b", "b", "a"], dtype="string"),
    "category": pd.Series(pd.Categorical(["b", "a", "b", "b"], ["c", "b", "a"])),
    "ordered": pd.Series(pd.Categorical([3, 1, 3, 1], [1, 2, 3], ordered=True)),
    "datetime": pd.Series(DAYS),
    "datetime ns": pd.Series(DAYS.as_unit("ns")),
    "zoned": pd.Series(DAYS.tz_localize("Europe/Rome")),
    "timedelta": pd.Series(DAYS - DAYS[0]),
    "date": pd.Series(DAYS.date, dtype="date32[pyarrow]"),
}
POLARS = {
    "float": pl.Series([0.5, 1.25, -3.0, 2.0]),
    "integer": pl.Series([1, 3, 2, 7], dtype=pl.Int16),
    "decimal": pl.Series(["0.50", "1.25", "3.00", "2.00"]).cast(pl.Decimal(10, 2)),
    "bool": pl.Series([True, False, True, True]),
    "string": pl.Series(["a", "b", "b", "a"]),
    "categorical": pl.Series(["a", "b", "b", "a"], dtype=pl.Categorical),
    "enum": pl.Series(["a", "b", "b", "a"], dtype=pl.Enum(["c", "b", "a"])),
    "datetime": pl.Series(DAYS.to_pydatetime().tolist()),
    "zoned": pl.Series(DAYS.to_pydatetime().tolist()).dt.replace_time_zone("UTC"),
    "date": pl.Series(DAYS.date.tolist()),
    "duration": pl.Series([datetime.timedelta(days) for days in (0, 3, 1, 9)]),
}
FRAMES = {
    "pandas": (pd.DataFrame(PANDAS), assert_frame_equal),
    "polars": (pl.DataFrame(POLARS), assert_polars_equal),
}


def table_of(frame, kinds=()):
    return read_table(as_frame(frame), dict(kinds))


def saved(table):
    return table_from_plain(json.loads(json.dumps(table_to_plain(table))))


@pytest.mark.parametrize("library", FRAMES)
def test_round_trip(library):
    frame, assert_equal = FRAMES[library]
    table = table_of(frame)
    values = values_of(table, frame)
    assert values.dtype == np.float64
    assert values.shape == frame.shape
    assert_equal(frame_of(table, values), frame)
    assert_equal(frame_of(saved(table), values), frame)


@pytest.mark.parametrize("library", FRAMES)
def test_gaps_are_nan(library):
    frame, assert_equal = FRAMES[library]
    n = frame.shape[1]
    if library == "pandas":
        gaps = pd.concat([frame, frame.iloc[:1].map(lambda _: None)])
        gaps = pd.concat([frame, frame.iloc[:1].shift(1)], ignore_index=True)
        for name in ("bool", "integer", "uint8"):  # these hold no gaps
            gaps[name] = frame[name].reindex(range(5), fill_value=frame[name][0])
    else:
        gaps = pl.concat([frame, pl.DataFrame({c: [None] for c in frame.columns})])
    values = values_of(table_of(frame), gaps)
    full = {"bool", "integer", "uint8"} if library == "pandas" else set()
    expected = [name not in full for name in frame.columns]
    assert np.isnan(values[-1]).tolist() == expected
    assert not np.isnan(values[:-1]).any()
    table = table_of(gaps)  # gaps are no categories, and change no map
    assert table.names == list(frame.columns)
    assert [c.categories for c in table.columns] == [
        c.categories for c in table_of(frame).columns
    ]
    if not full:
        filled = np.where(np.isnan(values), values_of(table, frame)[0], values)
        assert_equal(frame_of(table, filled)[:4], frame)
    assert len(expected) == n


def test_numbers_are_those_of_the_frame():
    frame, _ = FRAMES["pandas"]
    values = pd.DataFrame(values_of(table_of(frame), frame), columns=frame.columns)
    for name in ("float", "integer", "Int64", "arrow"):
        assert values[name].tolist() == frame[name].tolist()
    assert values["category"].tolist() == [1, 2, 1, 1]  # c, b, a
    assert values["str"].tolist() == [0, 1, 1, 0]
    assert values["bool"].tolist() == [1, 0, 1, 1]
    day = 86400 * 10**6
    assert values["timedelta"].tolist() == [0, 31 * day, 366 * day, 517 * day]
    assert values["datetime"].tolist() == values["timedelta"].tolist()
    table = table_of(frame)
    units = dict(zip(table.names, (column.log_unit for column in table.columns)))
    assert units["datetime"] == pytest.approx(np.log(1e6))
    assert units["datetime ns"] == pytest.approx(np.log(1e9))
    assert units["float"] == 0


def test_times_of_another_resolution():
    frame = pd.DataFrame({"t": DAYS.as_unit("us")})
    table = table_of(frame)
    for unit in ("s", "ms", "ns"):
        other = pd.DataFrame({"t": DAYS.as_unit(unit)})
        np.testing.assert_array_equal(values_of(table, other), values_of(table, frame))


def test_samples_stay_within_the_dtype():
    frame = pd.DataFrame({"a": np.array([0, 255], np.uint8), "b": [True, False]})
    table = table_of(frame)
    result = frame_of(table, np.array([[-3.0, 0], [999.6, 1]]))
    assert result["a"].tolist() == [0, 255]
    assert result["b"].tolist() == [False, True]


def test_numbers_alone():
    frame = pl.DataFrame({"a": [True, False], "b": pl.Series([0, 1], dtype=pl.UInt8)})
    table = read_numbers(as_frame(frame))
    values = values_of(table, frame)
    assert values.tolist() == [[1, 0], [0, 1]]
    assert_polars_equal(frame_of(table, values), frame)
    assert_polars_equal(frame_of(saved(table), values), frame)


def test_the_index_and_labels_of_pandas():
    frame = pd.DataFrame({3: [0.5, 1.5], ("a", 1): [1, 2]}, index=["x", "y"])
    frame.columns = pd.Index([3, ("a", 1)], tupleize_cols=False)
    table = table_of(frame)
    result = frame_of(table, values_of(table, frame), like=frame)
    assert result.index.tolist() == ["x", "y"]
    assert result.columns.tolist() == [3, ("a", 1)]
    with pytest.raises(ValueError, match=r"\('a', 1\).*joblib"):
        table_to_plain(table)


def test_kinds_by_name():
    frame = pd.DataFrame({"code": [3, 1, 3], "other": [1.5, 2.0, 2.0]})
    table = table_of(frame, {"code": "category", "other": "category"})
    assert table.columns[0].categories == (1, 3)
    assert_frame_equal(frame_of(table, values_of(table, frame)), frame)
    assert_frame_equal(frame_of(saved(table), values_of(table, frame)), frame)


def test_an_array_stands_for_the_columns():
    frame = pd.DataFrame({"a": [0.5, 1.5], "s": ["x", "y"]})
    table = table_of(frame)
    expected = values_of(table, frame)
    rows = [[0.5, "x"], [1.5, "y"]]
    np.testing.assert_array_equal(values_of(table, rows), expected)
    array = np.array(rows, dtype=object)
    np.testing.assert_array_equal(values_of(table, array), expected)
    for gap in ([[np.nan, None]], [[pd.NA, pd.NA]], [[None, np.nan]]):
        assert np.isnan(values_of(table, np.array(gap, dtype=object))).all()
    with pytest.raises(ValueError, match=r"shape \(2, 1\).*2 columns"):
        values_of(table, array[:, :1])


@pytest.mark.parametrize("library", [pd, pl])
def test_conditions(library):
    frame = library.DataFrame({"a": [0.5, 1.5], "s": ["x", "y"], "b": [True, False]})
    table = table_of(frame)
    nan = np.nan
    given = conditions_of(table, {"s": "y", "b": True})
    np.testing.assert_array_equal(given, [[nan, 1, 1]])
    given = conditions_of(table, {"a": 7, "s": None})
    np.testing.assert_array_equal(given, [[7, nan, nan]])
    given = conditions_of(table, library.DataFrame({"s": ["x", None], "a": [nan, 2]}))
    np.testing.assert_array_equal(given, [[nan, 0, nan], [2, nan, nan]])
    with pytest.raises(ValueError, match="column 'z', which the model does not"):
        conditions_of(table, {"z": 1})
    whole = table_of(library.DataFrame({"n": [1, 2], "s": ["x", "y"]}))
    np.testing.assert_array_equal(conditions_of(whole, {"n": 5.0}), [[5, nan]])
    with pytest.raises(ValueError, match=r"2.5 for the column 'n'.*whole numbers"):
        conditions_of(whole, {"n": 2.5})
    with pytest.raises(ValueError, match=r"'w' at row 0, column 's'.*2 categories"):
        conditions_of(table, {"s": "w"})
    with pytest.raises(ValueError, match="inf at row 0, column 'a'"):
        conditions_of(table, {"a": np.inf})
    with pytest.raises(ValueError, match="text 'many' at row 0, column 'a'"):
        conditions_of(table, {"a": "many"})


def test_a_condition_on_a_time():
    table = table_of(pd.DataFrame({"t": DAYS}))
    given = conditions_of(table, {"t": datetime.datetime(2020, 1, 3)})
    assert given.tolist() == [[2 * 86400 * 10**6]]
    with pytest.raises(ValueError, match=r"'t'.*held times"):
        conditions_of(table, {"t": 5})


MANY = pd.Series([f"id {number}" for number in range(1001)])


@pytest.mark.parametrize(
    "series, message",
    [
        (pd.Series([1j, 2j]), "'a' of dtype complex128.*use numbers, text"),
        (pd.Series([1, "x"], dtype=object), "'a' of dtype object, got text beside"),
        (pd.Series([[1], [2]]), r"'a' of dtype object, got \[1\]"),
        (pd.Series(DAYS.date, dtype=object), r"object, got datetime.date\(2020"),
        (pd.period_range("2020", periods=3, freq="D"), r"period\[D\], got Period"),
        (pl.Series([datetime.time(1)]), "'a' of dtype Time"),
        (pl.Series([[1], [2]]), "'a' of dtype List"),
        (pd.Series([np.nan, np.nan]), "'a' without any observed value: drop it"),
        (pl.Series([None, None]), "'a' without any observed value: drop it"),
        (pd.Series([1.0, np.inf]), "inf at row 1, column 'a'"),
        (MANY, "'a' of 1001 categories, more than 1000: drop it"),
        (MANY.astype("category"), "'a' of 1001 categories, more than 1000: drop it"),
    ],
)
def test_columns_that_are_refused(series, message):
    library = pl if isinstance(series, pl.Series) else pd
    with pytest.raises(ValueError, match=message):
        table_of(library.DataFrame({"a": series}))


def test_kinds_that_are_refused():
    frame = pd.DataFrame({"a": [1, 2], "s": ["x", "y"]})
    with pytest.raises(ValueError, match=r"names the column 'z'.*its columns are"):
        table_of(frame, {"z": "number"})
    with pytest.raises(ValueError, match="column 'a' 'gauss': use one of"):
        table_of(frame, {"a": "gauss"})
    with pytest.raises(ValueError, match=r"'s' of dtype String.*cannot be numbers"):
        table_of(frame, {"s": "number"})


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_that_do_not_match(library):
    frame = library.DataFrame({"a": [0.5, 1.5], "s": ["x", "y"]})
    table = table_of(frame)
    other = library.DataFrame({"a": [0.5, 1.5], "s": ["x", "z"]})
    with pytest.raises(ValueError, match="X_val has 'z' at row 1, column 's'"):
        values_of(table, other, "X_val")
    with pytest.raises(ValueError, match=r"the first that differs is 's'.*this order"):
        values_of(table, frame[["s", "a"]])
    with pytest.raises(ValueError, match=r"columns .*'a'.*pass the columns"):
        values_of(table, frame[["a"]])


def damaged(change):
    plain = table_to_plain(table_of(FRAMES["pandas"][0]))
    change(plain)
    return plain


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p.update(library="os"), "no data frames"),
        (lambda p: p.update(mixed=1), "lacks the map"),
        (lambda p: p["columns"][0].update(marginal=None), "lacks the map"),
        (lambda p: p["columns"][0]["marginal"][0].reverse(), "does not increase"),
        (lambda p: p["columns"][0].update(dtype=["os", {}]), "no dtype"),
    ],
)
def test_altered_tables_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        table_from_plain(damaged(change))
