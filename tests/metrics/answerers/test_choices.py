"""From tokens to choices, on real tokenizers, against hand computation."""

import math
from typing import Any

import pytest
import transformers

from metrics.answerers.choices import probabilities, sequences, spellings
from tests.fakes import PROJECT
from tests.metrics.answerers.tiny import fast
from tests.tiny_families import clip_tokenizer


def sentencepiece() -> Any:
    pieces = ["<unk>", "<s>", "</s>", "\u2581", "\u2581yes", "\u2581Yes", "yes", "no", "\u2581no"]
    pieces += list("yesnoYN0123456789abcdefghijklmrtuvwxz")
    return transformers.T5Tokenizer(
        vocab=[(piece, -float(i)) for i, piece in enumerate(dict.fromkeys(pieces))],
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<s>",
        extra_ids=0,
    )


def test_spellings_are_cases_spaces_and_numbers() -> None:
    assert spellings("yes") == ["yes", " yes", "Yes", " Yes"]
    assert set(spellings("2")) == {"2", " 2", "two", " two", "Two", " Two"}
    assert set(spellings("two")) == set(spellings("2"))
    assert spellings("99") == ["99", " 99"]
    assert spellings("") == ["", " "]


def test_a_byte_level_tokenizer_says_each_spelling_with_tokens_of_its_own() -> None:
    tokenizer = fast()
    found = sequences("yes", tokenizer, end=None)
    assert {tokenizer.decode(tokens) for tokens in found} == {"yes", " yes", "Yes", " Yes"}
    assert len(found) == len(set(found))


def test_choices_may_share_their_first_tokens() -> None:
    tokenizer = fast()
    blue, green = (sequences(choice, tokenizer, end=None) for choice in ("light blue", "light green"))
    assert {tokens[0] for tokens in blue} == {tokens[0] for tokens in green}
    assert not set(blue) & set(green)
    assert all(len(tokens) > 1 for tokens in blue)


def test_sentencepiece_says_words_with_and_without_their_mark() -> None:
    tokenizer = sentencepiece()
    marked, bare = (tokenizer.convert_tokens_to_ids(piece) for piece in ("\u2581yes", "yes"))
    found = sequences("yes", tokenizer, end=None)
    assert (marked,) in found
    assert (bare,) in found


def test_word_pieces_without_case_say_it_once_and_end() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(PROJECT / "assets" / "vqa")
    end = tokenizer.convert_tokens_to_ids("[SEP]")
    yes = tokenizer.convert_tokens_to_ids("yes")
    assert sequences("Yes", tokenizer, end) == [(yes, end)]
    digit, word = (tokenizer.convert_tokens_to_ids(piece) for piece in ("2", "two"))
    assert sequences("2", tokenizer, end) == [(digit, end), (word, end)]


def test_what_a_tokenizer_lacks_cannot_be_said() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(PROJECT / "assets" / "vqa")
    assert sequences("giraffe", tokenizer, end=3) == []


def test_the_real_vocabulary_of_clip_splits_into_whole_words() -> None:
    tokenizer = clip_tokenizer(merges=48_000)
    found = sequences("yes", tokenizer, end=None)
    assert {tokenizer.decode(tokens).strip() for tokens in found} == {"yes"}
    assert {len(tokens) for tokens in found} == {1}


def test_no_sequence_goes_on_from_another_of_the_same_choice() -> None:
    # " Yes" as (space, "Yes") and as the single piece would be two ways to the same text.
    for tokenizer in (fast(), sentencepiece(), clip_tokenizer()):
        for choice in ("yes", "no", "light blue", "10"):
            found = sequences(choice, tokenizer, end=None)
            assert not [
                (one, other)
                for one in found
                for other in found
                if one != other and one[: len(other)] == other
            ]


def test_probabilities_are_sums_over_spellings_of_products_over_tokens() -> None:
    said = {"yes": [(1,), (2,)], "light blue": [(5, 6)], "light green": [(5, 7)]}
    log_p = {
        (1,): math.log(0.3),
        (2,): math.log(0.1),
        (5, 6): math.log(0.4 * 0.75),
        (5, 7): math.log(0.4 * 0.25),
    }
    found = probabilities(said, log_p)
    assert found == pytest.approx({"yes": 0.4, "light blue": 0.3, "light green": 0.1})


def test_what_goes_on_to_another_choice_is_not_counted() -> None:
    # "1" begins "10": said by 0.5, of which 0.2 go on to "10" (and 0.05 to "100", part of those).
    said = {"1": [(1,)], "10": [(1, 0)], "100": [(1, 0, 0)]}
    log_p = {(1,): math.log(0.5), (1, 0): math.log(0.2), (1, 0, 0): math.log(0.05)}
    assert probabilities(said, log_p) == pytest.approx({"1": 0.3, "10": 0.15, "100": 0.05})


def test_an_end_leaves_nothing_to_subtract() -> None:
    said = {"1": [(1, 9)], "10": [(1, 0, 9)]}
    log_p = {(1, 9): math.log(0.3), (1, 0, 9): math.log(0.2)}
    assert probabilities(said, log_p) == pytest.approx({"1": 0.3, "10": 0.2})


def test_rounding_never_makes_a_probability_negative() -> None:
    said = {"1": [(1,)], "10": [(1, 0)]}
    assert probabilities(said, {(1,): math.log(0.2), (1, 0): math.log(0.2 + 1e-9)})["1"] == 0.0
