"""Spellings of one word meet, and words that only look like words are named in a warning."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

import pytest
from corpus.reference import spelled, write
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import CorpusWarning
from gpuemb.corpus.token_patterns import Tokenizer
from gpuemb.corpus.tokenizer import tokenize
from gpuemb.corpus.tokens import read_corpus

CHINESE = "我们今天去公园散步然后回家吃饭，他们明天去学校读书然后回家休息。"
SEGMENTED = "我们 今天 去 公园 散步 然后 回家 吃饭 ， 他们 明天 去 学校 读书 然后 回家 休息 。"
JAPANESE = "私は昨日友達と一緒に映画を見に行きました。とても面白かったので、また見たいと思います。"
THAI = "วันนี้อากาศดีมากเราไปเดินเล่นในสวนสาธารณะกับเพื่อน"
SEGMENTED_THAI = "วันนี้ อากาศ ดี มาก เรา ไป เดิน เล่น ใน สวนสาธารณะ กับ เพื่อน"


@settings(deadline=None)
@given(
    words=st.lists(st.text(st.sampled_from("aéÅİñ한글が\u0323\u0302ệ·"), min_size=1), min_size=2, max_size=8)
)
def test_composed_and_decomposed_text_have_the_same_words(words: list[str]) -> None:
    text = " ".join(words)
    forms = [tokenize(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")]  # type: ignore[arg-type]
    assert forms[0] == forms[1]


def test_two_spellings_of_a_word_are_one_word_of_a_corpus(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "caf\u00e9 bar\nCafe\u0301 bar cafe\u0301")
    found = read_corpus(path)
    assert dict(zip(found.vocabulary.words, found.vocabulary.counts.tolist(), strict=True)) == {
        "caf\u00e9": 3,
        "bar": 2,
    }
    given_words = read_corpus(path, vocabulary=["cafe\u0301", "bar"])
    assert spelled(given_words) == [["caf\u00e9", "bar"], ["caf\u00e9", "bar", "caf\u00e9"]]


@pytest.mark.parametrize("tokenizer", ["whitespace", r"regex:\S+", str.split])
def test_two_spellings_of_a_word_are_named_where_words_are_taken_as_they_are(tokenizer: Tokenizer) -> None:
    texts = ["caf\u00e9 bar n\u0303", "cafe\u0301 bar"]
    with pytest.warns(CorpusWarning, match="look the same: 1, 'caf\u00e9' first"):
        found = read_corpus(texts, tokenizer=tokenizer)
    assert {"caf\u00e9", "cafe\u0301"} <= set(found.vocabulary.words)


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI, f"some words in English. {CHINESE}"])
@pytest.mark.parametrize("tokenizer", ["default", "whitespace", str.split])
def test_text_without_spaces_names_tokenizers(text: str, tokenizer: Tokenizer) -> None:
    with pytest.warns(CorpusWarning, match="clauses count as words. Give a tokenizer .*jieba"):
        read_corpus([text, "two words"], tokenizer=tokenizer)


@pytest.mark.parametrize(
    "text",
    [
        SEGMENTED,
        SEGMENTED_THAI,
        "plain words " * 80 + CHINESE,
        "東京 and 大阪 are towns",
        "한국어는 띄어쓰기를 합니다",
    ],
)
def test_text_with_spaces_is_read_without_a_word(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_corpus([text, "two words"])
        read_corpus([CHINESE, "two words"], tokenizer=list)
