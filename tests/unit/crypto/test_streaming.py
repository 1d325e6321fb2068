import random
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_crypto import streaming
from callward_crypto.streaming import (
    HEADER_SIZE,
    PLAINTEXT_SEGMENT_SIZE,
    SEGMENT_SIZE,
    TAG_SIZE,
    DecryptionError,
    Plan,
    StreamDecryptor,
    StreamEncryptor,
    StreamError,
    decrypt_range,
)
from tests.support import oracle_tink

KEY = bytes(range(32))
CONTEXT = b"tenant and place"
FIRST = PLAINTEXT_SEGMENT_SIZE - HEADER_SIZE
EDGES = [
    FIRST,
    PLAINTEXT_SEGMENT_SIZE,
    SEGMENT_SIZE,
    *(FIRST + n * PLAINTEXT_SEGMENT_SIZE for n in (1, 2, 3)),
]
SIZES = sorted({0, 1, 2, 15, 16, 17, 39, 40, 41, *(edge + d for edge in EDGES for d in (-1, 0, 1))})
SEVERAL_MIB = 5 * 1024 * 1024 + 321
#: One that spans six segments, for everything that alters an object.
PLAINTEXT = random.Random(1).randbytes(FIRST + 4 * PLAINTEXT_SEGMENT_SIZE + 1000)


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def seal(plaintext: bytes, cuts: Iterable[int] = ()) -> bytes:
    encryptor = StreamEncryptor(KEY, CONTEXT)
    bounds = [0, *sorted(cuts), len(plaintext)]
    pieces = [encryptor.update(plaintext[a:b]) for a, b in pairwise(bounds)]
    assert all(len(piece) % SEGMENT_SIZE == 0 for piece in pieces)
    sealed = b"".join([*pieces, encryptor.finish()])
    assert sealed.startswith(encryptor.header)
    assert (encryptor.plaintext_size, encryptor.ciphertext_size) == (len(plaintext), len(sealed))
    return sealed


SEALED = seal(PLAINTEXT)


def opener(sealed: bytes, size: int | None = None) -> StreamDecryptor:
    return StreamDecryptor(KEY, CONTEXT, sealed[:HEADER_SIZE], len(sealed) if size is None else size)


async def in_chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(decryptor: StreamDecryptor, stored: bytes, plan: Plan, chunk: int = 40_000) -> bytes:
    wanted = stored[plan.object_start : plan.object_stop]
    return b"".join([piece async for piece in decrypt_range(decryptor, in_chunks(wanted, chunk), plan)])


async def read_all(decryptor: StreamDecryptor, stored: bytes) -> bytes:
    return await read(decryptor, stored, decryptor.plan(0, decryptor.plaintext_size))


@pytest.mark.parametrize("size", [*SIZES, SEVERAL_MIB])
async def test_tink_opens_ours_and_we_open_tinks(size: int) -> None:
    plaintext = content(size)
    ours = seal(plaintext)
    theirs = oracle_tink.seal(KEY, CONTEXT, plaintext)
    assert len(ours) == len(theirs) == streaming.ciphertext_size(size)
    assert streaming.plaintext_size(len(theirs)) == size
    assert oracle_tink.unseal(KEY, CONTEXT, ours) == plaintext
    assert await read_all(opener(theirs), theirs) == plaintext


def test_same_header_gives_tinks_bytes() -> None:
    theirs = oracle_tink.seal(KEY, CONTEXT, PLAINTEXT)
    encryptor = StreamEncryptor._with_header(KEY, CONTEXT, theirs[:HEADER_SIZE])
    assert encryptor.update(PLAINTEXT) + encryptor.finish() == theirs


@given(st.lists(st.integers(0, len(PLAINTEXT)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_cutting_the_input_changes_nothing(cuts: list[int]) -> None:
    sealed = seal(PLAINTEXT, cuts)
    assert oracle_tink.unseal(KEY, CONTEXT, sealed) == PLAINTEXT


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_takes_any_bytes_like_and_keeps_no_reference(kind: type) -> None:
    data = bytearray(PLAINTEXT[:100_000])
    encryptor = StreamEncryptor(KEY, CONTEXT)
    sealed = encryptor.update(kind(data))
    data[:] = bytes(len(data))
    assert oracle_tink.unseal(KEY, CONTEXT, sealed + encryptor.finish()) == PLAINTEXT[:100_000]


def test_holds_a_whole_segment_until_its_place_is_known() -> None:
    encryptor = StreamEncryptor(KEY, CONTEXT)
    assert encryptor.update(bytes(FIRST)) == b""
    assert len(encryptor.update(b"\0")) == SEGMENT_SIZE
    assert encryptor.update(bytes(PLAINTEXT_SEGMENT_SIZE - 1)) == b""
    assert len(encryptor.finish()) == SEGMENT_SIZE


def test_use_after_finish_is_refused() -> None:
    encryptor = StreamEncryptor(KEY, CONTEXT)
    encryptor.finish()
    with pytest.raises(StreamError):
        encryptor.update(b"")
    with pytest.raises(StreamError):
        encryptor.finish()


def test_headers_are_fresh() -> None:
    headers = {StreamEncryptor(KEY, CONTEXT).header for _ in range(64)}
    assert len({header[1:33] for header in headers}) == len({header[33:] for header in headers}) == 64
    assert {(len(header), header[0]) for header in headers} == {(40, 0x28)}


@given(st.data())
@settings(max_examples=60, deadline=None)
async def test_any_range_in_any_chunks(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PLAINTEXT) - 1))
    stop = data.draw(st.integers(start + 1, len(PLAINTEXT)))
    chunk = data.draw(st.integers(1000, 300_000))
    decryptor = opener(SEALED)
    plan = decryptor.plan(start, stop)
    assert plan.object_stop - plan.object_start < stop - start + 2 * SEGMENT_SIZE + HEADER_SIZE
    assert await read(decryptor, SEALED, plan, chunk) == PLAINTEXT[start:stop]


async def test_single_byte_chunks_and_edges() -> None:
    sealed = seal(b"x" * 300)
    assert await read(opener(sealed), sealed, opener(sealed).plan(7, 9), 1) == b"xx"
    decryptor = opener(SEALED)
    for edge in (FIRST, FIRST + PLAINTEXT_SEGMENT_SIZE):
        for start, stop in ((edge - 1, edge), (edge, edge + 1), (edge - 1, edge + 1)):
            assert await read(decryptor, SEALED, decryptor.plan(start, stop)) == PLAINTEXT[start:stop]
    assert decryptor.plan(FIRST - 1, FIRST) == Plan(0, 0, 0, SEGMENT_SIZE, FIRST - 1, 1)
    assert decryptor.plan(FIRST, FIRST + 1) == Plan(1, 1, SEGMENT_SIZE, 2 * SEGMENT_SIZE, 0, 1)


@given(st.integers(0, 2**47))
def test_sizes_and_places_agree(size: int) -> None:
    sealed = streaming.ciphertext_size(size)
    assert streaming.plaintext_size(sealed) == size
    segment, position = streaming.locate(size)
    before = FIRST + (segment - 1) * PLAINTEXT_SEGMENT_SIZE if segment else 0
    assert before + position == size
    assert 0 <= position < (PLAINTEXT_SEGMENT_SIZE if segment else FIRST)


def test_impossible_sizes_are_refused() -> None:
    empty_tail = [SEGMENT_SIZE + extra for extra in range(1, TAG_SIZE + 1)]
    for size in (-1, 0, 1, HEADER_SIZE, HEADER_SIZE + TAG_SIZE - 1, *empty_tail, 2**48 + 17):
        with pytest.raises(StreamError):
            streaming.plaintext_size(size)
    most = streaming.plaintext_size(2**48)
    assert streaming.ciphertext_size(most) == 2**48
    for size in (-1, most + 1):
        with pytest.raises(StreamError):
            streaming.ciphertext_size(size)
    with pytest.raises(StreamError):
        streaming.locate(-1)
    for first, last in ((-1, 0), (1, 0), (0, 2), (2, 2)):
        with pytest.raises(StreamError):
            streaming.segment_range(first, last, SEGMENT_SIZE + 17)
    assert streaming.segment_range(0, 1, SEGMENT_SIZE + 17) == (0, SEGMENT_SIZE + 17)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 5), (6, 5), (-1, 2), (0, len(PLAINTEXT) + 1)])
def test_impossible_ranges_are_refused(start: int, stop: int) -> None:
    with pytest.raises(StreamError):
        opener(SEALED).plan(start, stop)


@given(st.integers(0, len(SEALED) * 8 - 1))
@settings(max_examples=60, deadline=None)
async def test_any_flipped_bit_fails(bit: int) -> None:
    altered = bytearray(SEALED)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionError):
        await read_all(opener(SEALED), bytes(altered))


def _moved(first: int, second: int) -> bytes:
    parts = [SEALED[start : start + SEGMENT_SIZE] for start in range(0, len(SEALED), SEGMENT_SIZE)]
    parts[first], parts[second] = parts[second], parts[first]
    return b"".join(parts)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(_moved(1, 2), id="swapped segments"),
        pytest.param(_moved(2, 4), id="swapped further apart"),
        pytest.param(SEALED[: 5 * SEGMENT_SIZE], id="tail dropped"),
        pytest.param(SEALED[:-1], id="one byte short"),
        pytest.param(SEALED[: len(SEALED) // 2], id="half"),
        pytest.param(b"", id="nothing"),
        pytest.param(seal(PLAINTEXT), id="the same content sealed another time"),
        pytest.param(bytes(HEADER_SIZE) + SEALED[HEADER_SIZE:], id="another header"),
    ],
)
async def test_an_altered_object_fails(stored: bytes) -> None:
    with pytest.raises(DecryptionError):
        await read_all(opener(SEALED), stored)


async def test_a_dropped_tail_fails_even_with_a_size_to_match() -> None:
    for whole in range(1, 6):
        truncated = SEALED[: whole * SEGMENT_SIZE]
        with pytest.raises(DecryptionError):
            await read_all(opener(truncated), truncated)


async def test_excess_bytes_fail() -> None:
    decryptor = opener(SEALED)
    plan = decryptor.plan(0, 10)
    for excess in (b"\0", bytes(SEGMENT_SIZE)):
        stored = in_chunks(SEALED[: plan.object_stop] + excess, 10_000)
        with pytest.raises(DecryptionError):
            [piece async for piece in decrypt_range(decryptor, stored, plan)]


async def test_an_empty_stream_is_authenticated() -> None:
    sealed = seal(b"")
    assert len(sealed) == HEADER_SIZE + TAG_SIZE
    assert await read_all(opener(sealed), sealed) == b""
    with pytest.raises(DecryptionError):
        await read_all(opener(sealed), sealed[:-1] + bytes([sealed[-1] ^ 1]))


@pytest.mark.parametrize(
    ("key", "context", "header"),
    [
        (KEY[::-1], CONTEXT, SEALED[:HEADER_SIZE]),
        (KEY, CONTEXT + b"\0", SEALED[:HEADER_SIZE]),
        (KEY, b"", SEALED[:HEADER_SIZE]),
        (KEY, CONTEXT, StreamEncryptor(KEY, CONTEXT).header),
    ],
    ids=["key", "associated data", "no associated data", "header"],
)
def test_other_inputs_open_no_segment(key: bytes, context: bytes, header: bytes) -> None:
    decryptor = StreamDecryptor(key, context, header, len(SEALED))
    for index in range(decryptor.segment_count):
        start, stop = streaming.segment_range(index, index, len(SEALED))
        with pytest.raises(DecryptionError) as failure:
            decryptor.decrypt_segment(index, SEALED[start or HEADER_SIZE : stop])
        assert "not authentic" in str(failure.value)


def test_segments_open_one_by_one() -> None:
    decryptor = opener(SEALED)
    pieces = []
    for index in reversed(range(decryptor.segment_count)):
        start, stop = streaming.segment_range(index, index, len(SEALED))
        pieces.append(decryptor.decrypt_segment(index, memoryview(SEALED)[start or HEADER_SIZE : stop]))
    assert b"".join(reversed(pieces)) == PLAINTEXT
    with pytest.raises(StreamError):
        decryptor.decrypt_segment(decryptor.segment_count, b"")
    with pytest.raises(DecryptionError):
        decryptor.decrypt_segment(0, SEALED[:SEGMENT_SIZE])


@pytest.mark.parametrize("key", [b"", KEY[:31], KEY + b"\0"])
def test_keys_of_other_lengths_are_refused(key: bytes) -> None:
    with pytest.raises(StreamError):
        StreamEncryptor(key, CONTEXT)


@pytest.mark.parametrize(
    "header", [b"", SEALED[:39], SEALED[:41], bytes(40)], ids=["empty", "short", "long", "zeroes"]
)
def test_malformed_headers_are_refused(header: bytes) -> None:
    with pytest.raises(StreamError):
        StreamDecryptor(KEY, CONTEXT, header, len(SEALED))
    with pytest.raises(DecryptionError):
        opener(SEALED).check_header(header)
