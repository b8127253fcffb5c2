"""The mailbox: every asker is answered, nothing waits without a bound."""

import pytest
import trio
import trio.testing

from actors.kernel.mailbox import CAPACITY, ActorGone, Mailbox, Overloaded, Receipt, Ref


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def ref(mailbox):
    return Ref(mailbox)


async def test_messages_are_received_in_the_order_of_their_sending(mailbox, ref):
    for number in range(3):
        assert ref.tell_nowait(number)
    assert [(await mailbox.receive()).message for _ in range(3)] == [0, 1, 2]


async def test_reader_waits_for_the_first_message(mailbox, ref, nursery, autojump_clock):
    record = []

    async def read():
        record.append((await mailbox.receive()).message)

    nursery.start_soon(read)
    await trio.testing.wait_all_tasks_blocked()
    assert record == []
    await ref.tell("hello")
    await trio.testing.wait_all_tasks_blocked()
    assert record == ["hello"]


async def test_asker_goes_on_with_the_receipt(mailbox, ref, nursery):
    async def answer():
        envelope = await mailbox.receive()
        assert envelope.message == "question"
        assert envelope.cause == "operation 7"
        envelope.answer(Receipt(5))

    nursery.start_soon(answer)
    receipt = await ref.ask("question", "operation 7")
    assert receipt == Receipt(5)
    assert receipt.events == []


async def test_asker_goes_on_with_the_error(mailbox, ref, nursery):
    async def refuse():
        (await mailbox.receive()).fail(KeyError("no"))

    nursery.start_soon(refuse)
    with pytest.raises(KeyError):
        await ref.ask("question")


async def test_first_answer_counts(mailbox, ref, nursery):
    async def answer():
        envelope = await mailbox.receive()
        envelope.answer(Receipt(5))
        envelope.fail(KeyError("too late"))

    nursery.start_soon(answer)
    assert await ref.ask("question") == Receipt(5)


async def test_message_that_was_told_needs_no_answer(mailbox, ref):
    ref.tell_nowait("report")
    envelope = await mailbox.receive()
    envelope.answer(Receipt(1))
    envelope.fail(KeyError("nobody hears it"))


async def test_asker_that_left_leaves_the_mailbox_working(mailbox, ref, autojump_clock):
    with trio.move_on_after(1):
        await ref.ask("given up")
    ref.tell_nowait("next")
    abandoned = await mailbox.receive()
    abandoned.answer(Receipt(1))
    assert (await mailbox.receive()).message == "next"


async def test_full_mailbox_refuses_who_asks_and_drops_what_is_told(mailbox, ref):
    for number in range(CAPACITY):
        assert ref.tell_nowait(number)
    assert not ref.tell_nowait("one too many")
    with pytest.raises(Overloaded):
        await ref.ask("one too many")
    assert (await mailbox.receive()).message == 0
    assert ref.tell_nowait("fits again")


async def test_tell_waits_for_room(mailbox, ref, nursery, autojump_clock):
    record = []
    for number in range(CAPACITY):
        ref.tell_nowait(number)

    async def tell(message):
        await ref.tell(message)
        record.append(message)

    nursery.start_soon(tell, "a")
    nursery.start_soon(tell, "b")
    await trio.testing.wait_all_tasks_blocked()
    assert record == []
    await mailbox.receive()
    await trio.testing.wait_all_tasks_blocked()
    assert len(record) == 1
    await mailbox.receive()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(record) == ["a", "b"]


async def test_closing_answers_everybody_who_waits(mailbox, ref, nursery):
    record = []

    async def ask(name):
        try:
            await ref.ask(name)
        except ActorGone as gone:
            record.append(gone)

    nursery.start_soon(ask, "a")
    nursery.start_soon(ask, "b")
    ref.tell_nowait("dropped")
    await trio.testing.wait_all_tasks_blocked()
    mailbox.close(ActorGone("it left", quarantined=True))
    await trio.testing.wait_all_tasks_blocked()
    assert [str(gone) for gone in record] == ["it left", "it left"]
    assert all(gone.quarantined for gone in record)


async def test_closed_mailbox_answers_everybody_who_comes_until_it_is_reopened(mailbox, ref):
    mailbox.close(ActorGone("it left"))
    assert str(mailbox.closed) == "it left"
    assert not ref.tell_nowait("dropped")
    await ref.tell("dropped too")
    with pytest.raises(ActorGone, match="it left"):
        await ref.ask("anybody there?")
    mailbox.reopen()
    await ref.tell("taken")
    assert (await mailbox.receive()).message == "taken"


async def test_closed_mailbox_keeps_nothing_of_those_who_asked(mailbox, ref):
    mailbox.close(ActorGone("it left"))
    for _ in range(3):
        with pytest.raises(ActorGone):
            await ref.ask("anybody there?")
    assert mailbox.closed.__traceback__ is None


async def test_sender_that_waits_for_room_goes_on_when_the_mailbox_closes(mailbox, ref, nursery):
    record = []
    for number in range(CAPACITY):
        ref.tell_nowait(number)

    async def tell():
        await ref.tell("dropped")
        record.append("went on")

    nursery.start_soon(tell)
    await trio.testing.wait_all_tasks_blocked()
    mailbox.close(ActorGone("it left"))
    await trio.testing.wait_all_tasks_blocked()
    assert record == ["went on"]


async def test_sender_that_waits_for_room_after_a_reopening_sleeps(mailbox, ref, nursery):
    mailbox.close(ActorGone("it left"))
    mailbox.reopen()
    for number in range(CAPACITY):
        ref.tell_nowait(number)
    nursery.start_soon(ref.tell, "waits")
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(CAPACITY + 1):
        last = await mailbox.receive()
    assert last.message == "waits"
