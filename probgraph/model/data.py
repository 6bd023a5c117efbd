"""What comes into a model from outside: observations, and data that may be exchanged later."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.folding import value_if_constant
from probgraph.distributions.random_variable import open_model
from probgraph.engine.config import config
from probgraph.engine.graph import Variable, graph_inputs
from probgraph.engine.minibatch import batches_in
from probgraph.engine.op import as_variable
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType
from probgraph.model.coordinates import Dims
from probgraph.model.variables import refuse_impossible


def as_array(what: str, values: Any) -> np.ndarray:
    """Numbers in any usual form (lists, arrays, pandas) as an array: floats in floatX, integers in int64.

    Raises ValueError for masked values, TypeError for what is no number.
    """
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.getmaskarray(values).any():
            raise ValueError(
                f"{what}: {int(np.ma.getmaskarray(values).sum())} values are masked; drop them, e.g."
                " values.compressed(). Only what is observed= may have missing values"
            )
        values = values.data
    try:
        array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    except ValueError as error:
        raise TypeError(f"{what}: the nested lists are ragged: {error}") from None
    if array.dtype == object:
        try:
            array = array.astype("float64")  # None and decimal numbers in a column of a table
        except (TypeError, ValueError):
            raise TypeError(f"{what} holds {array.flat[0]!r:.40}, which is not a number") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what} holds {array.dtype}; it must hold numbers")
    if array.dtype.kind == "f":
        return array.astype(config.floatX)
    return array if array.dtype.kind == "b" else array.astype("int64")


def as_observed(name: str, distribution: Distribution, observed: Any) -> tuple[Variable, np.ndarray]:
    """Observations as the variable that enters the density, and their present value.

    Numbers become a constant in floatX, checked against the support now. `Data`, and what is computed from
    `Data` alone, stays a graph, so that it may be exchanged; its present value is checked.
    """
    if isinstance(observed, Variable):
        roots = graph_inputs([observed])
        symbolic = [v for v in roots if not isinstance(v, SharedVariable) and value_if_constant(v) is None]
        if symbolic:
            raise TypeError(
                f"{name}: observed depends on {', '.join(map(str, symbolic))}, which is not data; observed is an"
                " array, Data, or an expression of Data alone"
            )
        variable, array = observed, np.asarray(observed.eval())
    else:
        array = as_array(f"{name}: observed", observed)
        variable = as_variable(array.astype(config.floatX))
    _refuse_missing(name, array)
    refuse_impossible(name, distribution, variable)
    return variable, array


def weight_of_rows(name: str, value: Variable, array: np.ndarray, total_size: Any) -> float:
    """How many rows each observed one stands for. A warning where a mini-batch does not say of how many it is."""
    if total_size is None:
        if batches_in([value]):
            warnings.warn(
                f"{name} is observed in mini-batches and has no total_size=: its likelihood counts as if a batch were all"
                " there is. Give the number of rows, e.g. total_size=len(y)",
                stacklevel=5,
            )
        return 1.0
    rows = total_size[0] if isinstance(total_size, list | tuple) and len(total_size) == 1 else total_size
    if (
        isinstance(rows, bool)
        or not isinstance(rows, int | float | np.number)
        or not np.isfinite(rows)
        or rows <= 0
    ):
        raise TypeError(
            f"{name}: total_size is {total_size!r}; it must be the number of rows there are in all"
        )
    if not array.ndim or not len(array):
        raise ValueError(
            f"{name}: total_size is {total_size!r}, but observed has no rows: its shape is {array.shape}"
        )
    return float(rows) / len(array)


def missing_in(observed: Any) -> np.ndarray | None:
    """Where observations are masked or nan, as booleans of their shape; None where there are all, or they are Data."""
    if isinstance(observed, Variable):
        return None
    if isinstance(observed, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(observed)
        values = np.asarray(observed.filled(0))
    else:
        try:
            values = np.asarray(observed.to_numpy() if hasattr(observed, "to_numpy") else observed)
            values = values.astype("float64") if values.dtype == object else values
        except (TypeError, ValueError):
            return None  # to be refused where it is read
        mask = np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        mask = mask | np.isnan(values)
    return mask if mask.any() else None


def _refuse_missing(name: str, array: np.ndarray) -> None:
    if array.dtype.kind != "f" or not np.isnan(array).any():
        return
    missing = np.argwhere(np.isnan(array))
    where = tuple(int(i) for i in missing[0])
    raise ValueError(
        f"{name}: observed is Data with nan at {len(missing)} of {array.size} places (the first at index"
        f" {where if len(where) != 1 else where[0]}). Missing values are imputed in plain arrays only: give the array"
        " itself, or drop them, e.g. y[~np.isnan(y)]"
    )


class DataVariable(SharedVariable):
    """Data of a model: a shared variable that knows its name, so that results can keep it."""

    __slots__ = ()


def Data(
    name: str,
    value: Any,
    *,
    dims: Dims = None,
    coords: Mapping[str, Any] | None = None,
    infer_dims_and_coords: bool = False,
    model: Any = None,
    mutable: bool | None = None,
) -> DataVariable:
    """Data that belong to the open model under a name and may be exchanged: `set_data`, `x.set_value`.

    `value` is numbers in any form, of shape `dims` where those are given; a dim that the model does not know yet
    gets its length from here. With `infer_dims_and_coords` dims and labels are those of an xarray array, or the index and
    the columns of a table of pandas, under `dims` or their own names. Floats are kept in floatX, integers in int64.
    Results keep it in constant_data. `mutable` is taken for the sake of older scripts: all may be exchanged.

    >>> with Model(coords={"city": ["Rome", "Oslo"]}):
    ...     height = Data("height", [21.0, 23.0], dims="city")
    """
    model = open_model(f'Data("{name}", ...)') if model is None else model
    array = as_array(name, value)
    if infer_dims_and_coords:
        dims, found = labels_of(value, dims, array.ndim)
        coords = {**found, **(coords or {})}
    # Lengths may change later, so none is part of the type.
    variable = DataVariable(TensorType(array.dtype, (None,) * array.ndim), np.array(array, order="C"), name)
    return model.add_data(variable, dims, coords)


def labels_of(value: Any, dims: Dims, ndim: int) -> tuple[tuple[str | None, ...], dict[str, Any]]:
    """The dims and the labels that xarray's arrays and pandas' tables have; `dims` go before names of their own."""
    given = (dims,) if isinstance(dims, str) else tuple(dims or ())
    if hasattr(value, "coords"):  # xarray
        own: list[Any] = list(value.dims)
        axes = [value.coords[d].values if d in value.coords else None for d in own]
    else:
        axes = [getattr(value, kind, None) for kind in ("index", "columns")][:ndim]
        axes = [
            None if axis is None or callable(axis) else axis for axis in axes
        ]  # a list has a method index
        own = [getattr(axis, "name", None) for axis in axes]
    own += [None] * (ndim - len(own))
    names = tuple(given[k] if k < len(given) and given[k] is not None else own[k] for k in range(ndim))
    labels = zip(names, axes, strict=False)
    return names, {n: np.asarray(axis) for n, axis in labels if n is not None and axis is not None}


ConstantData = MutableData = Data  # PyMC's older names
