"""Events become leaves exactly once, and a year ends in the first leaf of the next."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from callward_audit.app.checkpoints import Checkpoints
from callward_audit.app.ledger import LedgerApp
from callward_audit.domain.errors import UnmappedEvent, WriterFenced
from callward_audit.domain.model import Fact
from callward_common.errors import Unavailable
from callward_common.events.bus import Partition
from callward_crypto.merkle import CompactRange
from tests.support import rfc9162
from tests.support.clock import ManualClock
from tests.unit.audit.fakes import Contradiction, FakeLedger, FakeWitness, again, fact

PLACE = Partition("callward.ingest.v1", 0)
ORIGIN = "callward.example/logs/2026-0"


class Scene:
    """The writer's use cases over fakes."""

    def __init__(self) -> None:
        self.clock, self.ledger, self.witness = ManualClock(), FakeLedger(), FakeWitness()
        self.checkpoints = Checkpoints(self.ledger, self.witness, self.clock)
        self.app = LedgerApp(self.ledger, self.checkpoints, self.clock, host="callward.example")

    async def append(self, *facts: Fact, epoch: int | None = None, position: int = 1) -> int:
        number = self.ledger.epoch if epoch is None else epoch
        return await self.app.append(number, list(facts), {PLACE: position})

    def demand_tree(self, log: str = "2026-0") -> None:
        """The head's frontier is that of a tree over exactly the leaves' bytes."""
        head = next(each for each in self.ledger.all_heads if each.log == log)
        bodies = self.ledger.bodies(log)
        assert head.size == len(bodies)
        assert CompactRange(head.size, head.frontier).root() == rfc9162.root(bodies)
        assert [leaf.index for leaf in self.ledger.leaves[log]] == list(range(head.size))


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.ledger.begin_epoch()
    return made


async def test_events_become_leaves_in_their_order(scene: Scene) -> None:
    facts = [fact(number) for number in range(1, 12)]
    assert await scene.append(*facts[:4], position=4) == 4
    assert await scene.append(*facts[4:], position=11) == 7
    assert [leaf.event_id for leaf in scene.ledger.leaves["2026-0"]] == [each.event_id for each in facts]
    assert scene.ledger.watermarks == {"ingest": (11, [])}
    assert scene.ledger.positions == {PLACE: 11}
    scene.demand_tree()


async def test_what_was_taken_is_not_taken_again(scene: Scene) -> None:
    first, second = fact(1), fact(2)
    await scene.append(first, second)
    before = scene.ledger.bodies("2026-0")
    assert await scene.append(again(first), again(second), position=9) == 0
    assert scene.ledger.bodies("2026-0") == before
    assert scene.ledger.positions == {PLACE: 9}
    third = fact(3)
    assert await scene.append(again(second), third) == 1
    scene.demand_tree()


async def test_what_is_delivered_twice_in_one_batch_is_one_leaf(scene: Scene) -> None:
    first, second = fact(1), fact(2)
    assert await scene.append(first, again(first), second, again(second), again(first)) == 2
    assert scene.ledger.watermarks == {"ingest": (2, [])}
    scene.demand_tree()


async def test_an_event_without_a_place_takes_nothing_of_its_batch(scene: Scene) -> None:
    await scene.append(fact(1))
    unknown = fact(3, event_type="callward.new.v1.Thing")
    with pytest.raises(UnmappedEvent):
        await scene.append(fact(2), unknown, fact(4), position=4)
    assert len(scene.ledger.bodies("2026-0")) == 1
    assert scene.ledger.watermarks == {"ingest": (1, [])}
    assert scene.ledger.positions == {PLACE: 1}


async def test_a_gap_holds_the_watermark_and_not_the_record(scene: Scene) -> None:
    await scene.append(fact(1), fact(2), fact(4), fact(1, producer="consent"))
    assert scene.ledger.watermarks == {"ingest": (2, [4]), "consent": (1, [])}
    assert len(scene.ledger.bodies("2026-0")) == 4
    await scene.append(fact(3))
    assert scene.ledger.watermarks["ingest"] == (4, [])


async def test_an_older_writer_is_fenced_off(scene: Scene) -> None:
    older = scene.ledger.epoch
    newer = await scene.ledger.begin_epoch()
    with pytest.raises(WriterFenced):
        await scene.append(fact(1), epoch=older)
    assert scene.ledger.all_heads == []
    assert await scene.append(fact(1), epoch=newer) == 1


async def test_a_years_last_checkpoint_is_leaf_0_of_the_next(scene: Scene) -> None:
    await scene.append(fact(1), fact(2), fact(3))
    await scene.checkpoints.sign_if_grown()
    await scene.append(fact(4))
    scene.clock.advance(timedelta(days=60))
    assert await scene.append(fact(5), fact(6)) == 2
    old, new = scene.ledger.leaves["2026-0"], scene.ledger.leaves["2027-0"]
    last = scene.ledger.checkpoints[-1]
    assert (last.log, last.size) == ("2026-0", len(old)) == ("2026-0", 4)
    assert last.root == rfc9162.root(scene.ledger.bodies("2026-0"))
    assert new[0].body == last.note.encode()
    assert (new[0].tenant_id, new[0].type) == ("", "checkpoint")
    assert [leaf.sequence for leaf in new[1:]] == [5, 6]
    assert b'"log_name":"2027-0"' in new[1].body
    assert b'"sequence":1,' in new[1].body
    assert scene.ledger.watermarks == {"ingest": (6, [])}
    scene.demand_tree("2026-0")
    scene.demand_tree("2027-0")
    await scene.append(fact(7))
    assert len(scene.ledger.leaves["2026-0"]) == 4
    scene.demand_tree("2027-0")


async def test_the_turn_of_the_year_waits_for_the_signer(scene: Scene) -> None:
    await scene.append(fact(1))
    scene.clock.advance(timedelta(days=60))
    scene.witness.failing = Unavailable("key-management does not answer.")
    with pytest.raises(Unavailable):
        await scene.append(fact(2))
    assert len(scene.ledger.all_heads) == 1
    scene.witness.failing = None
    assert await scene.append(fact(2)) == 1
    assert [head.log for head in scene.ledger.all_heads] == ["2027-0", "2026-0"]


async def test_a_clock_that_goes_back_over_new_year_brings_no_older_log_back(scene: Scene) -> None:
    late = ManualClock(scene.clock.now() + timedelta(days=60))
    ahead = LedgerApp(scene.ledger, scene.checkpoints, late, host="callward.example")
    await ahead.append(1, [fact(1)], {})
    await scene.append(fact(2))
    assert list(scene.ledger.leaves) == ["2027-0"]
    scene.demand_tree("2027-0")


async def test_checkpoints_grow_out_of_each_other_and_are_signed_once(scene: Scene) -> None:
    assert await scene.checkpoints.sign_if_grown() is None
    for number in range(1, 20):
        await scene.append(fact(number))
        signed = await scene.checkpoints.sign_if_grown()
        assert signed is not None
        assert (signed.size, signed.root) == (number, rfc9162.root(scene.ledger.bodies("2026-0")))
        assert await scene.checkpoints.sign_if_grown() is None
    assert scene.witness.asked == [(ORIGIN, number) for number in range(1, 20)]


async def test_a_checkpoint_that_was_signed_and_not_kept_is_asked_for_again(scene: Scene) -> None:
    await scene.append(fact(1), fact(2))
    signed = await scene.checkpoints.sign_if_grown()
    scene.ledger.checkpoints.clear()
    assert await scene.checkpoints.sign_if_grown() == signed


async def test_a_second_root_for_a_size_is_refused_and_not_kept(scene: Scene) -> None:
    await scene.append(fact(1), fact(2))
    await scene.checkpoints.sign_if_grown()
    (head,) = scene.ledger.all_heads
    with pytest.raises(Contradiction):
        await scene.checkpoints.sign(replace(head, frontier=(bytes(32),)))
    assert len(scene.ledger.checkpoints) == 1


async def test_two_at_once_never_sign_a_log_that_seems_to_shrink(scene: Scene) -> None:
    await scene.append(fact(1), fact(2))
    entered, go_on = asyncio.Event(), asyncio.Event()
    last = scene.witness.last

    async def slow(origin: str) -> tuple[int, bytes]:
        entered.set()
        await go_on.wait()
        return await last(origin)

    scene.witness.last = slow  # type: ignore[method-assign]
    first = asyncio.create_task(scene.checkpoints.sign_if_grown())
    await entered.wait()
    await scene.append(fact(3))
    second = asyncio.create_task(scene.checkpoints.sign_if_grown())
    await asyncio.sleep(0)
    go_on.set()
    signed = await asyncio.gather(first, second)
    assert [each.size for each in signed if each is not None] == [2, 3]


async def test_a_log_that_lost_leaves_is_not_signed(scene: Scene) -> None:
    await scene.append(fact(1), fact(2), fact(3))
    await scene.checkpoints.sign_if_grown()
    scene.ledger.all_heads, scene.ledger.leaves, scene.ledger.tree = [], {}, {}
    scene.ledger.checkpoints.clear()
    await scene.append(fact(4))
    with pytest.raises(Contradiction):
        await scene.checkpoints.sign_if_grown()
    assert scene.ledger.checkpoints == []
