"""How the embedded PostgreSQL is configured: loopback only, passwords, nothing of a statement in its log."""

from collections.abc import Mapping
from pathlib import Path

#: Passwords over loopback TCP; no other way in, no socket file.
HOST_BASED_AUTHENTICATION = "host all all 127.0.0.1/32 scram-sha-256\n"

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "synchronous_commit": "on",
    # Six small databases: modest memory, and no replica to keep WAL for.
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # Statements and the values in them may hold PHI. "log" leaves out errors of statements altogether, whose text
    # quotes values ("invalid input syntax for …"); what PostgreSQL says of itself is at the levels above.
    "log_statement": "none",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_lock_waits": "off",
    "log_autovacuum_min_duration": "-1",
    "log_temp_files": "-1",
    "track_activity_query_size": "100",
}


def configuration(*, port: int, durable: bool) -> str:
    """Returns the content of postgresql.conf. `durable=False` gives up what is written when the machine fails."""
    settings = {**_SETTINGS, "port": str(port)}
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())


def initdb_options(admin: str, password_file: Path, folder: Path, *, durable: bool) -> list[str]:
    """Returns the arguments of initdb: UTF-8, byte order of text, checksums of pages."""
    options = [
        f"--pgdata={folder}",
        f"--username={admin}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--data-checksums",
        "--no-instructions",
    ]
    return options if durable else [*options, "--no-sync"]
