"""Files that are no plain text: known by their ending or their first bytes, and refused by name."""

from __future__ import annotations

import codecs
import re

from gpuemb.core.errors import FileFormatError

HEAD = 4096  # bytes searched for the marks of a format
AS_RECORDS = "one JSON object a line in .jsonl, or a table in .parquet, with field=… (--field) for the text"
RECORDS = re.compile(  # an object's first key, alone or first in a list; or a list's first text
    rb'(?:\[?\s*\{\s*"(?:[^"\\]|\\.)*"\s*:|\[\s*"(?:[^"\\]|\\.)*"\s*[,\]])'
)
MARKUP = re.compile(rb"<(?:\?xml|!doctype|html|mediawiki)\b", re.IGNORECASE)
TABLES, PAGES = (".csv", ".tsv"), (".html", ".htm", ".xhtml", ".xml")
MARKS = {  # the longer first: that of UTF-32 begins as that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
HALF = 0.4  # share of zeros among every second byte: text of ASCII letters in UTF-16 has nearly all


def check_ending(name: str, ending: str) -> None:
    """Check that a file's ending does not name a format that is not read.

    Raises:
        FileFormatError: a table or markup; the remedy names what is read.
    """
    if ending in TABLES:
        raise FileFormatError(
            f"corpus: {name} is a table in {ending[1:].upper()}",
            needed="Its columns are not all text, and commas and names of columns are no words.",
            remedy=f"Write its texts as {AS_RECORDS}; or give the column as a list of strings.",
        )
    if ending in PAGES:
        raise _markup(name)


def check_head(name: str, head: bytes, *, text: bool = True) -> None:
    """Check that the first bytes are those of text in UTF-8.

    Args:
        name: of the source, for messages.
        head: its first bytes, unpacked.
        text: whether plain text is expected, not records.

    Raises:
        FileFormatError: text in UTF-16 or UTF-32, and for plain text JSON or markup.
    """
    check_encoding(f"corpus: {name}", head)
    begin = head.lstrip()[:HEAD]
    if text and RECORDS.match(begin):
        raise FileFormatError(
            f"corpus: {name}: JSON is no plain text: its keys and braces would count as words",
            needed=f"Records are {AS_RECORDS}.",
            remedy="Give the file such an ending, name the field for standard input (--field text), or give "
            "the texts themselves. jq -c '.[]' FILE > FILE.jsonl makes lines of a list.",
        )
    if text and MARKUP.match(begin):
        raise _markup(name)


def check_encoding(what: str, head: bytes) -> None:
    """Check that the first bytes are not those of text in UTF-16 or UTF-32.

    Raises:
        FileFormatError: they are; the conversion is named.
    """
    encoding = _encoding_of(head)
    if encoding != "UTF-8":
        raise FileFormatError(
            f"{what} looks like {encoding}",
            needed="Text must be UTF-8.",
            remedy=f"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW",
        )


def _encoding_of(head: bytes) -> str:
    """Return UTF-16 or UTF-32 for text that looks like it, by its mark or its zeros; UTF-8 otherwise."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    head = head[:HEAD]
    if b"\0" not in head:
        return "UTF-8"
    for first, ending in ((1, "LE"), (0, "BE")):
        zeros, others = (head[place::2].count(0) for place in (first, 1 - first))
        if zeros > HALF * len(head) / 2 and not others:
            return f"UTF-16{ending}"
    return "UTF-8"


def _markup(name: str) -> FileFormatError:
    return FileFormatError(
        f"corpus: {name} is HTML or XML: its tags would count as words",
        needed="A corpus is text without markup.",
        remedy=f"Extract the text first, as a text file or {AS_RECORDS}.",
    )
