"""From named arrays to ArviZ's object: what this floor adds is names for groups, dimensions and coordinates.

The idea worth knowing: ArviZ 1 keeps results in an `xarray.DataTree`, ArviZ before 1 in its own
`InferenceData`, and the two constructors understand the same nested dictionary differently, without an error.
So everything is built here as plain `xarray.Dataset`s, and only the last line asks which ArviZ is installed.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import arviz as az
    import xarray as xr

DATA_GROUPS = ("observed_data", "constant_data", "predictions_constant_data")
"""Groups whose arrays have their own shape; those of every other group begin with (chain, draw)."""

SAMPLE_DIMS = ("chain", "draw")

Dims = Mapping[str, Sequence[str | None]]
Coords = Mapping[str, Any]


def build(
    groups: Mapping[str, Mapping[str, np.ndarray]],
    dims: Dims | None = None,
    coords: Coords | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> az.InferenceData | xr.DataTree:
    """Arrays by group and name as the object of the installed ArviZ.

    Parameters
    ----------
    groups
        ArviZ's group names ("posterior", "sample_stats", "observed_data", "warmup_posterior" ...), each with
        its arrays by name: (chain, draw, \\*shape) in sampled groups, plain shapes in `DATA_GROUPS`. Empty
        groups are left out.
    dims
        For each variable the names of the axes of its *shape*; None for an axis without one. A variable that
        is not here, or an axis of None, gets ArviZ's default name ``x_dim_0``.
    coords
        For each dimension its labels, put only where the dimension is used; without, or with None, positions.
        ``"chain"`` numbers the chains where some are missing.
    attrs
        Go on the whole and on each sampled group, beside `inference_library` and its version, `created_at`
        and the version of ArviZ. Files know neither booleans nor None: True is stored as 1, None not at all.

    Returns
    -------
    `xarray.DataTree` with ArviZ 1 and later, `arviz.InferenceData` before.

    Raises
    ------
    ValueError
        Where ranks, lengths or names do not fit; it names group, variable and dimension.

    Example
    -------
    >>> result = build({"posterior": {"theta": np.zeros((4, 100, 2))}}, {"theta": ["school"]}, {"school": ["A", "B"]})
    >>> result.posterior["theta"].sel(school="B").shape
    (4, 100)
    """
    labels = {name: _labels(name, values) for name, values in (coords or {}).items() if values is not None}
    general = {
        "created_at": datetime.now(UTC).isoformat(),
        "arviz_version": _version("arviz"),
        "inference_library": "probgraph",
        "inference_library_version": _version("probgraph"),
    }
    own = {
        **general,
        **{name: _storable(value) for name, value in (attrs or {}).items() if value is not None},
    }
    datasets = {}
    for group, arrays in groups.items():
        if not arrays:
            continue
        if group in DATA_GROUPS:
            datasets[group] = _dataset(group, arrays, (), dims or {}, labels, general)
        else:
            group_attrs = {**own, "sample_dims": list(SAMPLE_DIMS)}
            datasets[group] = _dataset(group, arrays, SAMPLE_DIMS, dims or {}, labels, group_attrs)
    return _wrap(datasets, own)


def _wrap(datasets: dict[str, xr.Dataset], attrs: dict[str, Any]) -> az.InferenceData | xr.DataTree:
    if int(_version("arviz").split(".")[0]) >= 1:
        import xarray as xr  # late: a third of a second, and not needed to build a model

        tree = xr.DataTree.from_dict(datasets)
        tree.attrs = attrs
        return tree
    import arviz as az  # late: it takes longer than sampling a small model

    return az.InferenceData(attrs=attrs, **datasets)


def _dataset(
    group: str,
    arrays: Mapping[str, np.ndarray],
    leading: tuple[str, ...],
    dims: Dims,
    labels: Mapping[str, np.ndarray],
    attrs: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr  # late: see _wrap

    lengths: dict[str, tuple[int, str]] = {}  # of each dimension, and the variable that set it
    variables = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        names = _axis_names(group, name, array, leading, dims.get(name))
        for dim, length in zip(names, array.shape, strict=True):
            known, by = lengths.setdefault(dim, (length, name))
            if known != length:
                raise ValueError(
                    f"{group}: dimension {dim!r} has length {length} in {name!r} and {known} in {by!r}"
                )
        variables[name] = (names, array)
    for name in variables:
        if name in lengths:
            raise ValueError(
                f"{group}: {name!r} is the name of a variable and of a dimension (of {lengths[name][1]!r});"
                " rename one of them"
            )
    coordinates = {}
    for dim, (length, by) in lengths.items():
        given = labels.get(dim)
        if given is not None and len(given) != length:
            raise ValueError(
                f"{group}: coords give {len(given)} labels for dimension {dim!r}, which has length {length} in {by!r}"
            )
        coordinates[dim] = np.arange(length) if given is None else given
    return xr.Dataset(variables, coords=coordinates, attrs=attrs)


def _axis_names(
    group: str, name: str, array: np.ndarray, leading: tuple[str, ...], given: Sequence[str | None] | None
) -> tuple[str, ...]:
    if array.ndim < len(leading):
        raise ValueError(
            f"{group}: {name!r} has shape {array.shape}; arrays of this group are (chain, draw, *shape)"
        )
    rank = array.ndim - len(leading)
    if isinstance(given, str):
        given = (given,)
    if given is None:
        given = (None,) * rank
    elif len(given) != rank:
        raise ValueError(
            f"{group}: {name!r} has dims {tuple(given)}, {len(given)} names, for the shape"
            f" {array.shape[len(leading) :]} with {rank} axes"
        )
    names = (*leading, *(f"{name}_dim_{i}" if dim is None else dim for i, dim in enumerate(given)))
    if len(set(names)) < len(names):
        repeated = next(dim for dim in names if names.count(dim) > 1)
        raise ValueError(f"{group}: {name!r} has dims {names}, in which {repeated!r} is there more than once")
    return names


def _labels(dim: Hashable, values: Any) -> np.ndarray:
    """Labels along one dimension; tuples stay whole, as labels of their own."""
    if dim == "draw":
        raise ValueError("coords: 'draw' is counted from 0 and takes no labels; rename your dimension")
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"coords: the labels of {dim!r} are a sequence, got {values!r:.80}")
    if hasattr(values, "to_numpy"):  # pandas
        array = values.to_numpy()
    elif isinstance(values, np.ndarray):
        array = values
    else:
        values = list(values)
        if any(isinstance(label, tuple) for label in values):
            array = np.empty(len(values), dtype=object)
            array[:] = values
        else:
            array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"coords: the labels of {dim!r} have shape {array.shape}; they need one axis")
    return array


def _storable(value: Any) -> Any:
    """An attribute that netCDF files can hold."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, str | int | float | np.number | np.ndarray):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return list(value)
    return str(value)


@functools.cache
def _version(package: str) -> str:
    import importlib.metadata as metadata  # late: it is slow to import, and not needed to build a model

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        if package != "probgraph":
            raise
        return "not installed"  # run from a checkout
