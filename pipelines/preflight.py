"""What a night needs at its end is looked for before it begins."""

import time
from collections.abc import Callable

from assets.crm_layout import LOG
from assets.network import AwayError
from pipelines.settings import Settings
from pipelines.stores import crm_of, tracking_of


def refuse_unreachable(settings: Settings, say: Callable[[str], object]) -> None:
    """Open the CRM's database, for writing, and the registry of models, before work is lost for want of them.

    Args:
        settings: What the pipeline is configured with.
        say: Told why it takes longer, when a server is away.

    Raises:
        ValueError: Names what cannot be reached or written, and what to do.
    """
    for pause in settings.network.pauses():
        try:
            _open(settings)
        except AwayError as error:
            say(f"{error} Trying again in {pause:g} seconds.")
            time.sleep(pause)
        else:
            return
    _open(settings)


def _open(settings: Settings) -> None:
    crm_of(settings).read(LOG)
    tracking_of(settings).appointments()
