"""How the pages read our docstrings: one example is a section of examples, cost and source stand out."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Sections(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Name the sections as the parser knows them."""
        if obj.docstring is not None:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(
                r"(^|(?<=\. ))(Cost|Source):", r"\1**\2:**", text, flags=re.MULTILINE
            )
