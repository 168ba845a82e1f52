"""What speed and quality are, beside what they are asked to be."""

import pipelines  # noqa: F401  (how it sets its libraries up, before any of them is loaded)
