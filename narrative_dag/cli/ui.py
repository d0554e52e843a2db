"""`narrative-dag ui`: Dagster's web UI and daemon, and MLflow's UI, on the stores of one home, on this machine only."""

import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.error import URLError
from urllib.request import urlopen

import typer

from narrative_dag.errors import NarrativeError
from narrative_dag.home import HOME_VARIABLE, WORKSPACE, Home

HOST = "127.0.0.1"
START_SECONDS = 180.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Server:
    """A child: its command, the address that answers once it is up, its page, and the signal that it ends on."""

    name: str
    command: tuple[str, ...]
    probe: str | None = None
    page: str | None = None
    stop: signal.Signals = signal.SIGINT


def servers(home: Home, port: int, mlflow_port: int) -> tuple[Server, ...]:
    """The webserver, the daemon and MLflow's UI on a home."""
    scripts = Path(sysconfig.get_path("scripts"))
    web, mlflow = f"http://{HOST}:{port}", f"http://{HOST}:{mlflow_port}"
    location = ("-w", str(WORKSPACE))
    store = ("--backend-store-uri", f"sqlite:///{home.mlflow / 'mlflow.db'}")
    return (
        Server(
            "dagster-webserver",
            (str(scripts / "dagster-webserver"), *location, "-h", HOST, "-p", str(port)),
            f"{web}/server_info",
            web,
        ),
        Server("dagster-daemon", (str(scripts / "dagster-daemon"), "run", *location)),
        Server(
            "mlflow",
            (str(scripts / "mlflow"), "ui", *store, "--host", HOST, "--port", str(mlflow_port), "--workers", "1"),
            f"{mlflow}/health",
            mlflow,
            signal.SIGTERM,
        ),
    )


def environment(home: Home) -> dict[str, str]:
    """What the children see: this process's environment, and the stores."""
    return {
        **os.environ,
        HOME_VARIABLE: str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise NarrativeError("the port is taken", where=f"{HOST}:{port}", hint="choose another") from error


@contextmanager
def running(
    children: tuple[Server, ...], env: Mapping[str, str], logs: Path, lock: int
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start each child in a process group of its own, its output in `logs`; stop the groups at the end.

    The children inherit the descriptor `lock`.
    """
    logs.mkdir(parents=True, exist_ok=True)
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for child in children:
            with (logs / f"{child.name}.log").open("ab") as log:
                started[child.name] = subprocess.Popen(
                    child.command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        yield started
    finally:
        for stop in (None, signal.SIGTERM, signal.SIGKILL):
            for child in children:
                if child.name in started:
                    _signal_group(started[child.name].pid, stop or child.stop)
            until = time.monotonic() + STOP_SECONDS
            while time.monotonic() < until and any(_group_alive(process) for process in started.values()):
                time.sleep(0.1)
            if not any(_group_alive(process) for process in started.values()):
                break


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _group_alive(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _require_alive(started: Mapping[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            raise NarrativeError(f"stopped with status {process.returncode}", where=name, hint=f"see {logs}/{name}.log")


def wait_until_up(children: tuple[Server, ...], started: Mapping[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    """Wait until every child with a probe answers.

    Raises:
        NarrativeError: one stopped, or does not answer in time.
    """
    until = time.monotonic() + START_SECONDS
    for child in children:
        while child.probe is not None:
            _require_alive(started, logs)
            try:
                with urlopen(child.probe, timeout=5):
                    break
            except (URLError, OSError):
                if time.monotonic() > until:
                    raise NarrativeError(
                        "does not answer", where=child.name, hint=f"see {logs}/{child.name}.log"
                    ) from None
                time.sleep(0.3)


def ui(
    port: Annotated[int, typer.Option(help="of Dagster's web UI")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="of MLflow's UI")] = 5000,
    home: Annotated[
        Path | None, typer.Option(help="folder of the stores; else NARRATIVE_HOME, else .narrative")
    ] = None,
) -> None:
    """Serve Dagster's and MLflow's pages on localhost until interrupted."""
    from resources.instance import serving
    from resources.tracking import Tracking

    place = Home.at(home)
    for taken in (port, mlflow_port):
        _require_free(taken)
    children, logs = servers(place, port, mlflow_port), place.root / "logs"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with serving(place) as lock:
            _close_abandoned_runs(place)
            Tracking(place.mlflow).client()
            _serve(children, place, logs, lock)
    except KeyboardInterrupt:
        print("stopped", flush=True)


def _serve(children: tuple[Server, ...], place: Home, logs: Path, lock: int) -> None:
    with running(children, environment(place), logs, lock) as started:
        wait_until_up(children, started, logs)
        for child in children:
            if child.page:
                print(f"{child.name}: {child.page}", flush=True)
        while True:
            _require_alive(started, logs)
            time.sleep(1.0)


def _close_abandoned_runs(place: Home) -> None:
    """Close what killed servers, and killed commands where none is at work, left open. The caller holds `serving`."""
    from resources.instance import close_runs_of_commands, close_runs_of_servers, exclusive, open_instance
    from resources.locks import HeldError

    with open_instance(place) as instance:
        close_runs_of_servers(instance)
        with suppress(HeldError), exclusive(place):
            close_runs_of_commands(instance)
