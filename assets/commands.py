"""Commands that messages tell people to type, with the settings that were in use."""

import os
import re
import shlex
from pathlib import Path

CONFIG_VARIABLE = "CHURN_CONFIG"
"""Environment variable that names the settings in use."""

DEFAULT_CONFIG = Path("churn.toml")
_COMMAND = re.compile(r"`(churn (?!init|schema)[a-z]+(?:(?! --config)[^`])*)`")


def with_settings(text: str, *, elsewhere: bool = False) -> str:
    """A text whose commands, written as ```churn run …```, work on the settings in use when they are pasted.

    Args:
        text: The text.
        elsewhere: Whether it is read anywhere, such as in a chat; otherwise commands stay short in a folder whose
            `churn.toml` is in use.
    """
    file = os.environ.get(CONFIG_VARIABLE)
    if not file or (not elsewhere and Path(file) == DEFAULT_CONFIG.absolute()):
        return text
    return _COMMAND.sub(lambda found: f"`{found[1]} --config {shlex.quote(file)}`", text)
