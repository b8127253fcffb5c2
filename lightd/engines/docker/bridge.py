"""The door to asyncio: one thread with one loop, where aiodocker lives. No other file mentions asyncio.

- Hand-over is coalesced both ways: what one side has for the other goes into a deque, and only the first
  piece wakes the other side. A drain clears the flag *before* it looks, so nothing is left lying.
- A cancelled caller cancels its asyncio task and waits until that has unwound: no socket stays open.
- When the thread dies, every pending call and every later one raises ``BridgeBroken``; nobody waits for ever.

Who touches what: ``_pending`` belongs to Trio's thread, ``_Call.task`` and ``_over`` to the loop's. The
deques are shared, and rely on ``append`` and ``popleft`` being atomic.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn, TypeVar, cast

import attrs
import outcome
import trio

T = TypeVar("T")


class BridgeBroken(Exception):  # noqa: N818 - says what happened
    """The asyncio thread is gone: a fault of ours, or the bridge was closed under its users."""


@attrs.define(eq=False)
class _Call:
    function: Callable[..., Awaitable[Any]]
    args: tuple[object, ...]
    caller: trio.lowlevel.Task
    task: asyncio.Task[Any] | None = None
    raise_cancel: Callable[[], Any] | None = None


async def _await(function: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
    return await function(*args)


@attrs.define(eq=False)
class Bridge:
    """Runs asyncio functions for Trio tasks; made by ``open_bridge``."""

    _trio: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token)
    _pending: set[_Call] = attrs.field(factory=set)
    _to_loop: deque[tuple[Callable[[_Call], None], _Call]] = attrs.field(factory=deque)
    _to_trio: deque[tuple[_Call, "outcome.Outcome[Any]"]] = attrs.field(factory=deque)
    _loop_woken: bool = False
    _trio_woken: bool = False
    _loop: asyncio.AbstractEventLoop | None = None
    _over: bool = False
    _closing: asyncio.Event | None = None
    _opened: trio.Event = attrs.field(factory=trio.Event)
    _lost: trio.Event = attrs.field(factory=trio.Event)
    _seconds: float | None = None

    async def run(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Run the asyncio function in the loop and return what it returns, or raise what it raises."""

        def abort(raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
            call.raise_cancel = raise_cancel
            self._submit(self._cancel, call)
            return trio.lowlevel.Abort.FAILED

        call = await self._called(function, args)
        return cast(T, await trio.lowlevel.wait_task_rescheduled(abort))

    async def run_to_end(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """As ``run``; but once begun it goes on to its end, and a cancelled caller waits for that.

        The function's own deadlines are the bound of the wait, or ``hurry``.
        """

        def abort(raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
            call.raise_cancel = raise_cancel
            return trio.lowlevel.Abort.FAILED

        call = await self._called(function, args)
        return cast(T, await trio.lowlevel.wait_task_rescheduled(abort))

    def hurry(self, seconds: float) -> None:
        """Cancel every call that has not ended in ``seconds``; one that begins later has as long.

        Its caller is told that it was cancelled where it was, else ``BridgeBroken``.
        """
        self._seconds = seconds
        for call in self._pending:
            self._submit(self._cancel_later, call)

    # ---- Trio's thread

    async def _called(self, function: Callable[..., Awaitable[Any]], args: tuple[object, ...]) -> _Call:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._lost.is_set():
            _raise_broken()
        call = _Call(function, args, trio.lowlevel.current_task())
        self._pending.add(call)
        self._submit(self._begin, call)
        if self._seconds is not None:
            self._submit(self._cancel_later, call)
        return call

    def _submit(self, action: Callable[[_Call], None], call: _Call) -> None:
        self._to_loop.append((action, call))
        if not self._loop_woken:
            self._loop_woken = True
            assert self._loop is not None  # noqa: S101 - set before open_bridge yields
            try:
                self._loop.call_soon_threadsafe(self._drain_in_loop)
            except RuntimeError:  # the loop is closed: _fail_pending is on its way
                return

    def _drain_in_trio(self) -> None:
        self._trio_woken = False
        while self._to_trio:
            call, result = self._to_trio.popleft()
            if _was_cancelled(result):
                result = outcome.capture(call.raise_cancel or _raise_broken)
            self._pending.discard(call)
            trio.lowlevel.reschedule(call.caller, result)

    def _fail_pending(self) -> None:
        self._drain_in_trio()
        self._lost.set()
        while self._pending:
            call = self._pending.pop()
            trio.lowlevel.reschedule(call.caller, outcome.capture(_raise_broken))

    # ---- the loop's thread

    def _drain_in_loop(self) -> None:
        self._loop_woken = False
        while self._to_loop:
            action, call = self._to_loop.popleft()
            action(call)

    def _begin(self, call: _Call) -> None:
        if self._over:  # its caller is told so by _fail_pending
            return
        call.task = asyncio.get_running_loop().create_task(_await(call.function, call.args))
        call.task.add_done_callback(lambda task: self._finish(call, task))

    def _cancel(self, call: _Call) -> None:
        if call.task is not None:
            call.task.cancel()

    def _cancel_later(self, call: _Call) -> None:
        asyncio.get_running_loop().call_later(self._seconds or 0.0, self._cancel, call)

    def _finish(self, call: _Call, task: asyncio.Task[Any]) -> None:
        self._to_trio.append((call, _to_outcome(task)))
        call.task = None
        if not self._trio_woken:
            self._trio_woken = True
            self._tell_trio(self._drain_in_trio)

    def _tell_trio(self, function: Callable[[], None]) -> None:
        try:
            self._trio.run_sync_soon(function)
        except trio.RunFinishedError:
            return  # nobody is left to be told

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._tell_trio(self._opened.set)
        await self._closing.wait()

    def _main(self) -> None:
        try:
            with asyncio.Runner() as runner:
                try:
                    runner.run(self._serve())
                finally:
                    self._over = True  # the tasks that are left are cancelled now; none may be added to them
        finally:
            self._tell_trio(self._fail_pending)

    async def _close(self) -> None:
        if not self._lost.is_set():
            assert self._loop is not None  # noqa: S101 - set before open_bridge yields
            assert self._closing is not None  # noqa: S101 - the same
            with suppress(RuntimeError):  # it has just closed by itself
                self._loop.call_soon_threadsafe(self._closing.set)
        await self._lost.wait()


def _raise_broken() -> NoReturn:
    raise BridgeBroken("The asyncio thread has ended")


def _to_outcome(task: asyncio.Task[Any]) -> "outcome.Outcome[Any]":
    if task.cancelled():
        return outcome.Error(asyncio.CancelledError())
    fault = task.exception()
    return outcome.Value(task.result()) if fault is None else outcome.Error(fault)


def _was_cancelled(result: "outcome.Outcome[Any]") -> bool:
    return isinstance(result, outcome.Error) and isinstance(result.error, asyncio.CancelledError)


@asynccontextmanager
async def open_bridge() -> AsyncIterator[Bridge]:
    """A running loop in a thread of its own; at the end what runs there is cancelled and the thread gone."""
    bridge = Bridge()
    threading.Thread(target=bridge._main, name="asyncio", daemon=True).start()  # noqa: SLF001 - its maker
    with trio.CancelScope(shield=True):
        await bridge._opened.wait()  # noqa: SLF001 - the same
    try:
        yield bridge
    finally:
        with trio.move_on_after(5, shield=True):
            await bridge._close()  # noqa: SLF001 - the same
