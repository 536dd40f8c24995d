"""What ``gpuemb`` alone says."""

from __future__ import annotations

from importlib.metadata import version

from gpuemb.cli.printing import say

FIRST_STEPS = {
    "gpuemb demo": "five runs each of two models on real conversation, with a report; about a minute",
    "gpuemb study my.txt": "the same of your own text: which neighbors are real, which are chance",
    "gpuemb compare a.vec b.vec": "tables that are finished: how alike are they, and which words differ?",
}


def greet() -> None:
    """Print three first steps."""
    say(f"gpuemb {version('gpuemb')}: which parts of an embedding are real, and which would come out")
    say("differently with another seed, order or corpus?")
    say()
    width = max(map(len, FIRST_STEPS))
    for command, meaning in FIRST_STEPS.items():
        say(f"  {command:<{width}}  {meaning}")
    say()
    say("gpuemb --help lists all commands, gpuemb COMMAND --help shows examples of one,")
    say("gpuemb info what this machine has and what would be used of it.")
