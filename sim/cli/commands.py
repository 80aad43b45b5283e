"""The list of commands; each lives in its own file and is imported here so that `--help` knows it."""

from __future__ import annotations

import typer

from sim.cli import bench, contracts, diff, doctor, duckdb, explain, plan, rm, run, sql, status, verify


def register(app: typer.Typer) -> None:
    """Attach every command to the application."""
    app.command("run")(run.run)
    app.command("plan")(plan.plan)
    app.command("status")(status.status)
    app.command("verify")(verify.verify)
    app.command("sql")(sql.sql)
    app.command("diff")(diff.diff)
    app.command("explain")(explain.explain)
    app.command("duckdb")(duckdb.duckdb)
    app.command("rm")(rm.rm)
    app.add_typer(contracts.app, name="contracts")
    app.command("doctor")(doctor.doctor)
    app.command("bench")(bench.bench)
