"""Lists of neighbors as a Parquet table, one row for every neighbor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.checks import check_same_rows
from gpuemb.core.files import replacing
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.neighbors.exact import Neighbors

ROW_BYTES = 64  # of a neighbor on its way to the file: two words, a rank, a score


def write_neighbors(
    found: Neighbors, asked: Sequence[str], path: Path, *, progress: Progress = SILENT
) -> int:
    """Write columns ``word``, ``rank`` (from 1), ``neighbor``, and the score under the name of the metric.

    Args:
        found: lists over a table with words; one without has its row numbers for names.
        asked: the word or name of each query; one without neighbors has no row.
        path: the file; it appears whole or not at all.
        progress: told of every query.

    Returns:
        How many rows were written.

    Raises:
        ShapeError: there are not as many names as queries.
        StorageError: the file cannot be written.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    check_same_rows("write_neighbors", found.ids, np.asarray(asked, object))
    columns = {"word": pyarrow.string(), "rank": pyarrow.int32()}
    columns |= {"neighbor": pyarrow.string(), found.metric: pyarrow.float64()}
    schema = pyarrow.schema([pyarrow.field(name, kind, nullable=False) for name, kind in columns.items()])
    queries, k = found.ids.shape
    words = None if found.words is None else pyarrow.array(list(found.words))
    written = 0
    with (
        replacing(path) as file,
        ParquetWriter(file, schema, compression="zstd") as writer,
        progress.phase(f"writing {path.name}", queries) as task,
    ):
        for start, stop in tiles(queries, rows_per_tile(ROW_BYTES * k)):
            ids, scores = to_host(found.ids[start:stop, :]), to_host(found.scores[start:stop, :])
            query, rank = np.nonzero(ids >= 0)
            near = pyarrow.array(ids[query, rank])
            batch = [
                pyarrow.array(list(asked[start:stop])).take(pyarrow.array(query)),
                pyarrow.array((rank + 1).astype(np.int32)),
                near.cast(pyarrow.string()) if words is None else words.take(near),
                pyarrow.array(scores[query, rank]),
            ]
            writer.write_table(pyarrow.Table.from_arrays(batch, schema=schema))
            written += len(query)
            task.advance(stop - start)
    return written
