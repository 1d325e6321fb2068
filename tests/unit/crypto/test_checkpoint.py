import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from callward_crypto import checkpoint
from callward_crypto.checkpoint import Checkpoint, NoteError

NAME = "example.org/logs/2026-0"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
ROOT = bytes(range(32))
BODY = checkpoint.checkpoint_body(NAME, 42, ROOT)
LINE = checkpoint.signature_line(NAME, PUBLIC, PRIVATE.sign(BODY))
NOTE = checkpoint.assemble_note(BODY, LINE)

# A real head of Go's checksum database; key from cmd/go, note as in C2SP tlog-checkpoint under its own origin.
GO_KEY = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
GO_NOTE = (
    "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


def test_a_head_of_gos_checksum_database_verifies() -> None:
    assert GO_KEY[0] == 1
    assert checkpoint.key_hash("sum.golang.org", GO_KEY[1:]).hex() == "033de0ae"
    head = checkpoint.verify_note(GO_NOTE, "sum.golang.org", GO_KEY[1:], origin="go.sum database tree")
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert head == Checkpoint("go.sum database tree", 20852163, root)
    with pytest.raises(NoteError, match="another log"):
        checkpoint.verify_note(GO_NOTE, "sum.golang.org", GO_KEY[1:])


def test_signature_line_is_that_of_gos_note_package() -> None:
    # The key pair and note of golang.org/x/mod/sumdb/note.
    seed = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    assert checkpoint.key_hash("PeterNeumann", public).hex() == "c74f20a3"
    assert checkpoint.signature_line("PeterNeumann", public, private.sign(text.encode())) == (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )


def test_body_is_byte_exact() -> None:
    assert BODY == b"example.org/logs/2026-0\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert checkpoint.checkpoint_body("a", 0, ROOT).split(b"\n")[1] == b"0"


@given(st.integers(0, checkpoint.MAX_TREE_SIZE), st.binary(min_size=32, max_size=32))
def test_round_trip(size: int, root: bytes) -> None:
    body = checkpoint.checkpoint_body(NAME, size, root)
    note = checkpoint.assemble_note(body, checkpoint.signature_line(NAME, PUBLIC, PRIVATE.sign(body)))
    head = Checkpoint(NAME, size, root)
    assert checkpoint.verify_note(note, NAME, PUBLIC) == head
    assert checkpoint.parse_checkpoint(note) == checkpoint.parse_checkpoint(body.decode()) == head


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**63, ROOT), (1, ROOT[:31]), (1, ROOT + b"\0")])
def test_bodies_out_of_bounds_are_refused(size: int, root: bytes) -> None:
    with pytest.raises(NoteError):
        checkpoint.checkpoint_body(NAME, size, root)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b", "a\tb", "a\x00b", "\ud800"]
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(NoteError):
        checkpoint.key_hash(name, PUBLIC)
    with pytest.raises(NoteError):
        checkpoint.checkpoint_body(name, 1, ROOT)


def test_signatures_of_others_are_ignored_and_extensions_kept() -> None:
    body = BODY + "an extension\nété\n".encode()
    other = Ed25519PrivateKey.generate()
    stranger = checkpoint.signature_line("witness", other.public_key().public_bytes_raw(), bytes(64))
    same_name = checkpoint.signature_line(NAME, other.public_key().public_bytes_raw(), other.sign(body))
    mine = checkpoint.signature_line(NAME, PUBLIC, PRIVATE.sign(body))
    longer = f"— witness {base64.b64encode(bytes(2424)).decode()}\n"
    note = checkpoint.assemble_note(body, stranger, same_name, longer, mine, mine, *[stranger] * 16)
    assert checkpoint.verify_note(note, NAME, PUBLIC).extensions == ("an extension", "été")
    without = checkpoint.assemble_note(body, stranger, same_name)
    with pytest.raises(NoteError, match="not signed by the expected key"):
        checkpoint.verify_note(without, NAME, PUBLIC)
    wrong = checkpoint.signature_line(NAME, PUBLIC, bytes(64))
    with pytest.raises(NoteError, match="signature is wrong"):
        checkpoint.verify_note(checkpoint.assemble_note(body, mine, wrong), NAME, PUBLIC)


def test_limits() -> None:
    assert checkpoint.verify_note(NOTE, NAME, PUBLIC, max_size=len(NOTE)).size == 42
    with pytest.raises(NoteError, match="too long"):
        checkpoint.verify_note(NOTE, NAME, PUBLIC, max_size=len(NOTE) - 1)
    with pytest.raises(NoteError, match="64 bytes"):
        checkpoint.signature_line(NAME, PUBLIC, bytes(63))


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_any_flipped_bit_fails(bit: int) -> None:
    altered = bytearray(NOTE.encode())
    altered[bit // 8] ^= 1 << bit % 8
    text = altered.decode(errors="surrogateescape")
    with pytest.raises(NoteError):
        checkpoint.verify_note(text, NAME, PUBLIC)


SIGNATURE = LINE.rstrip("\n")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        BODY.decode(),
        BODY.decode() + "\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("—", "-"),
        BODY.decode() + "\n" + SIGNATURE + " \n",
        BODY.decode() + "\n" + SIGNATURE.rstrip("=") + "\n",
        BODY.decode() + "\n" + LINE + "junk\n",
        BODY.decode() + LINE,
        BODY.decode() + "\n" + f"— {NAME} AAAA\n" + LINE,
        NOTE + f"— {NAME} {base64.b64encode(random.Random(1).randbytes(68)).decode()}\n\n",
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(NoteError):
        checkpoint.verify_note(note, NAME, PUBLIC)


B64 = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"a\n1\n{B64}",
        "a\n1\n",
        f"\n1\n{B64}\n",
        f"a\n\n{B64}\n",
        f"a\n01\n{B64}\n",
        f"a\n+1\n{B64}\n",
        f"a\n-1\n{B64}\n",
        f"a\n1 \n{B64}\n",
        f"a\n١\n{B64}\n",
        f"a\n{2**63}\n{B64}\n",
        f"a\n{'9' * 5000}\n{B64}\n",
        f"a\n1\n{B64[:-1]}\n",
        f"a\n1\n{B64[:-2]}9=\n",
        f"a\n1\n{B64[:-4]}\n",
        f"a\n1\n{B64} \n",
        f"a\n1\n{B64}\n\n",
        f"a\n1\n{B64}\nx\n\ny\n",
        f"a\t\n1\n{B64}\n",
    ],
)
def test_malformed_heads_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        checkpoint.parse_checkpoint(text)
    signed = checkpoint.signature_line(NAME, PUBLIC, PRIVATE.sign(text.encode()))
    with pytest.raises(NoteError):
        checkpoint.verify_note(text + "\n" + signed, NAME, PUBLIC, origin="a")
