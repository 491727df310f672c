"""A real PostgreSQL server for as long as a test session needs one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

DEBIANS = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian's package has them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(DEBIANS.glob("*/bin"), default=None, key=lambda folder: float(folder.parent.name))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server on a free loopback port, with its data in `folder`; gives SQLAlchemy's address of it."""
    bin_folder = programs()
    assert bin_folder is not None
    # The server refuses to run as root.
    user = None
    if os.geteuid() == 0:
        user = "postgres"
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        for parent in folder.parents[:-1]:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True, env={"LC_ALL": "C", "PATH": ""})

    run(str(bin_folder / "initdb"), "--auth=trust", "--username=log", "--encoding=UTF8", "--no-sync", str(data))
    options = f"-p {port} -h 127.0.0.1 -k {folder}"
    control = str(bin_folder / "pg_ctl")
    run(control, "start", "--wait", f"--pgdata={data}", f"--log={folder / 'server.log'}", f"--options={options}")
    try:
        yield f"postgresql+psycopg://log@127.0.0.1:{port}/postgres"
    finally:
        run(control, "stop", "--wait", "--mode=immediate", f"--pgdata={data}")
