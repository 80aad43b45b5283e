"""A DuckDB session on a world: published data as views, the user's own tables in memory, nothing else."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from sim.ground.errors import StorageError, UsageError, storage_errors
from sim.world.query import Rows, relation, select, sql_error
from sim.world.run_tables import RUN_TABLES

if TYPE_CHECKING:
    from sim.world.handle import World

_SELECT = duckdb.StatementType.SELECT
_OWN = tuple(
    getattr(duckdb.StatementType, name) for name in ("CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER")
)


class Workbench:
    """A session: SELECT over the world's views, and tables and views of one's own, which end with it.

    Args:
        world: The world; every published file is verified first.

    Raises:
        GateError: If a file is not the published one.
    """

    def __init__(self, world: World) -> None:
        self.names = (*world, *RUN_TABLES)
        self._connection = world.connection(self.names)

    def statements(self, text: str) -> list[Any]:
        """The statements of a text, each of which `ask` takes.

        Raises:
            UsageError: If it cannot be parsed, or one of them is neither a SELECT nor about tables of one's
                own. Nothing was run then.
        """
        try:
            found = list(self._connection.extract_statements(text))
        except duckdb.Error as error:
            raise sql_error(error) from error
        for statement in found:
            if statement.type not in (_SELECT, *_OWN):
                raise UsageError(
                    "SHELL.SQL_NOT_A_SELECT",
                    (
                        "a session can ask, and make tables of its own; nothing is read or written beside "
                        "the run"
                    ),
                    found=statement.type.name,
                    expected=", ".join(kind.name for kind in (_SELECT, *_OWN)),
                    do=(
                        "closedworld sql RUN QUERY --csv writes rows; closedworld duckdb RUN --to FILE "
                        "makes a database of views"
                    ),
                )
        return found

    def ask(self, statement: Any) -> pa.RecordBatchReader | None:
        """Rows of a SELECT, batch by batch; None for a statement about one's own tables, which was run.

        Raises:
            SimError: As `World.sql`.
        """
        if statement.type == _SELECT:
            return select(self._connection, statement.query)
        try:
            self._connection.execute(statement.query)
        except duckdb.Error as error:
            raise sql_error(error) from error
        return None


def write_views(world: World, target: Path) -> None:
    """A DuckDB file with a view a dataset and a table each about the run, for DuckDB's own shell and tools.

    The views name the run's files where they lie now, and a reader of the file reads them unverified: it is a
    convenience, no copy.

    Raises:
        UsageError: If the target exists or lies in the run, or the run is not in a directory of this machine.
        GateError: If a file is not the published one now.
        StorageError: If it cannot be written.
    """
    if world.location != str(world.path):
        raise UsageError(
            "SHELL.USAGE",
            "views of a file are made for run directories",
            found=world.location,
            do="closedworld duckdb --help",
        )
    place = target.absolute()
    if os.path.lexists(place):
        raise UsageError(
            "SHELL.FILE_EXISTS",
            "the file exists and is not replaced",
            where=str(place),
            do="name another file",
        )
    if world.path.resolve() in place.resolve().parents:
        raise UsageError(
            "SHELL.USAGE", "nothing is written into a run", where=str(place), do="name a file elsewhere"
        )
    made = place.with_name(f".{uuid.uuid4().hex}.duckdb")
    try:
        with storage_errors(place, "making the file of views"):
            made.parent.stat()
        connection = duckdb.connect(str(made))
        try:
            connection.execute("SET enable_progress_bar=false")
            for name in world:
                items = world[name].published
                world.require_intact(items)
                relation(world.rows_of(items), connection).create_view(name)
            for name in RUN_TABLES:
                relation([Rows(world.run_table(name))], connection).create(name)
        finally:
            connection.close()
        with storage_errors(place, "making the file of views"):
            os.link(made, place)  # never over another
    except duckdb.Error as error:
        found, do = (
            str(error).splitlines()[0][:200],
            "see to the folder's permissions and space, then run again",
        )
        raise StorageError(
            "SHELL.IO_WRITE_FAILED", "making the file of views failed", found, "", str(place), do
        ) from error
    finally:
        made.unlink(missing_ok=True)
        made.with_name(made.name + ".wal").unlink(missing_ok=True)
