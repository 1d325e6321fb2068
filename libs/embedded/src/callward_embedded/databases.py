"""Databases and their two roles: one owns and migrates, the other runs and owns nothing."""

import re
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """How a service reaches its database: `owner_url` for migrations only, `run_url` for everything else."""

    owner_url: str = field(repr=False)
    run_url: str = field(repr=False)
    run_role: str


def owner_role(name: str) -> str:
    """Returns the role that owns the database `name`."""
    return f"{checked(name)}_owner"


def run_role(name: str) -> str:
    """Returns the role that the service of the database `name` runs as."""
    return f"{checked(name)}_run"


def checked(name: str) -> str:
    """Returns `name` when it needs no quoting in SQL; raises ValueError otherwise."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            "a database's name is of a-z, 0-9 and _, begins with a letter and has at most 56 characters"
        )
    return name


async def ensure_role(connection: AsyncConnection, role: str, password: str, *, renew: bool) -> None:
    """Makes a role that can log in and nothing more; `renew` sets the password of one that is there."""
    known = await connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role})
    if known and not renew:
        return
    verb = "ALTER" if known else "CREATE"
    # Utility statements take no parameters; the password is of our own making, URL-safe base64.
    await connection.exec_driver_sql(
        f"{verb} ROLE {checked(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}'"
    )


async def ensure_database(
    connection: AsyncConnection, name: str, *, owner: str, template: str = "template0"
) -> bool:
    """Makes a database owned by `owner`; tells whether it was made. `connection` is in autocommit."""
    known = await connection.scalar(
        text("SELECT true FROM pg_database WHERE datname = :name"), {"name": name}
    )
    if not known:
        await connection.exec_driver_sql(
            f"CREATE DATABASE {checked(name)} OWNER {owner} TEMPLATE {checked(template)}"
        )
    return not known


async def close_to_others(connection: AsyncConnection, name: str, run: str) -> None:
    """Lets nobody but the owner and the run role connect, and the run role do no more than that."""
    await connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {checked(name)} FROM PUBLIC")
    await connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {name} TO {run}")


async def close_schema(connection: AsyncConnection, run: str) -> None:
    """Within a database: its schema is the owner's; the run role may look things up in it."""
    await connection.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {run}")
