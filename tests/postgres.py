"""A real PostgreSQL server for as long as a test session needs one."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, socket
from tempfile import TemporaryDirectory, gettempdir

from sqlalchemy.engine import make_url

DEBIANS = Path("/usr/lib/postgresql")

# The system's own folder, as long as the tests have none of theirs.
SYSTEMS = gettempdir()


def programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian's package has them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(DEBIANS.glob("*/bin"), default=None, key=lambda folder: float(folder.parent.name))


@contextmanager
def server() -> Iterator[str]:
    """Start a server on a free loopback port; gives SQLAlchemy's address of it.

    Its files are not in pytest's folder: to root, they belong to another user, whom each pytest that starts on the
    machine shuts out of that folder.
    """
    bin_folder = programs()
    assert bin_folder is not None
    with TemporaryDirectory(prefix="postgres-", dir=SYSTEMS) as folder, socket() as probe:
        # The server refuses to run as root.
        user = None
        if os.geteuid() == 0:
            user = "postgres"
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()

        def run(program: str, *options: str) -> None:
            command = [str(bin_folder / program), *options, f"--pgdata={folder}/data"]
            environment = {"LC_ALL": "C", "PATH": ""}
            subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True, env=environment)

        run("initdb", "--auth=trust", "--username=log", "--encoding=UTF8", "--no-sync")
        options = f"-p {port} -h 127.0.0.1 -k {folder}"
        run("pg_ctl", "start", "--wait", f"--log={folder}/server.log", f"--options={options}")
        try:
            yield f"postgresql+psycopg://log@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")


@contextmanager
def pooled(address: str) -> Iterator[str]:
    """The address of pgbouncer before a server, with two connections that each transaction may get any of."""
    url = make_url(address)
    with TemporaryDirectory(prefix="pgbouncer-", dir=SYSTEMS) as folder, socket() as probe:
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n{url.database} = host=127.0.0.1 port={url.port} user={url.username}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\n"
            "default_pool_size = 2\nignore_startup_parameters = extra_float_digits\n"
        )
        config.chmod(0o644)
        command = ["pgbouncer", "-q", str(config)]
        bouncer = subprocess.Popen(command, user=user, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, bouncer)
            yield str(url.set(port=port).render_as_string(hide_password=False))
        finally:
            bouncer.terminate()
            bouncer.wait(timeout=20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
