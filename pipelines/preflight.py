"""What a night needs at its end is looked for before it begins."""

from assets.crm_tables import LOG
from pipelines.definitions import crm_of, tracking_of
from pipelines.settings import Settings


def refuse_unreachable(settings: Settings) -> None:
    """Open the CRM's database, for writing, and the registry of models, before work is lost for want of them.

    Raises:
        ValueError: Names what cannot be reached or written, and what to do.
    """
    crm_of(settings).read(LOG)
    tracking_of(settings).champion()
