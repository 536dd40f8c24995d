"""Words and their translations."""

from __future__ import annotations

from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.random import stream
from gpuemb.core.results import result


@result
class Translations:
    """Words and their translations, such as a bilingual dictionary.

    Attributes:
        name: of the collection.
        pairs: word of the source and word of the target; a pair for each translation of a word.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.pairs)

    @door
    def split(self, held_out: int, seed: int = 0) -> tuple[Translations, Translations]:
        """Return the pairs without those of some words, and the pairs of these words: to fit and to test.

        Args:
            held_out: how many words of the source, drawn at random, with all their translations.
            seed: of the named stream that draws them.

        Raises:
            ConfigError: not so many words, or none is left.

        Example:
            >>> pairs = ge.translate(ge.Embedding(x, words), ge.Embedding(y, words)).pairs
            >>> fitted, tested = ge.Translations("shared words", pairs).split(10)
            >>> len(fitted), len(tested)
            (40, 10)
        """
        check_at_least("Translations.split", "held_out", held_out, 1)
        words = list(dict.fromkeys(word for word, _ in self.pairs))
        if held_out >= len(words):
            raise ConfigError(
                f"Translations.split: held_out = {held_out} of {len(words)} words",
                needed="Some words are held out, and some stay to fit a map on.",
                remedy=f"Give held_out={len(words) // 2} or less.",
            )
        drawn = stream(seed, "held out", "words").permutation(len(words))[:held_out]
        tested = frozenset(words[number] for number in drawn.tolist())
        sides = [tuple(pair for pair in self.pairs if (pair[0] in tested) == side) for side in (False, True)]
        return Translations(self.name, sides[0]), Translations(f"{self.name}, held out", sides[1])
