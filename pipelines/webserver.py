"""Dagster's webserver behind a guard, and its daemon: each loads the definitions and ends with its process."""

from pathlib import Path

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.controller import daemon_controller_from_instance
from dagster._utils.interrupts import capture_interrupts
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from pipelines.guard import LOOPBACK, Guard, GuardedApp
from pipelines.settings import Settings
from pipelines.shop import open_instance

_POLL_MILLISECONDS = 2000
# As Dagster's own command sets them.
_STATEMENT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW = 15_000, 3600, 20


def run_webserver(settings: Settings, guard: Guard) -> None:
    """Serve Dagster's pages on loopback until SIGTERM or Ctrl-C."""
    with open_instance(settings) as instance:
        instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW)
        with WorkspaceProcessContext(
            instance, _target(settings), version=__version__, code_server_log_level="WARNING"
        ) as workspace:
            app = create_app_from_workspace_process_context(workspace, live_data_poll_rate=_POLL_MILLISECONDS)
            uvicorn.run(GuardedApp(app, guard), host=LOOPBACK, port=guard.port, log_level="warning")


def run_daemon(settings: Settings) -> None:
    """Run Dagster's daemon, which starts schedules, sensors and what waits in the queue, until SIGTERM or Ctrl-C."""
    with (
        capture_interrupts(),
        open_instance(settings) as instance,
        daemon_controller_from_instance(
            instance, _target(settings), log_level="warning", code_server_log_level="warning"
        ) as controller,
    ):
        controller.check_daemon_loop()


def _target(settings: Settings) -> ModuleTarget:
    """The definitions, as a code location of the shop's name."""
    return ModuleTarget("pipelines.definitions", None, f"{Path.cwd()}", settings.shop_name)
