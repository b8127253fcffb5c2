"""A preparer of volumes in virtual time, which can be slow, refuse a start, or be unable to change a file."""

import attrs
import trio

from actors.container.preparation import Unprepared


@attrs.define(eq=False)
class FakePreparer:
    """``record`` has what happened, in order; ``working`` the containers that are being prepared."""

    seconds: float = 0.0
    refusal: str = ""
    warning: str = ""
    record: list = attrs.field(factory=list)
    working: set = attrs.field(factory=set)
    files: set = attrs.field(factory=set)

    async def prepare(self, spec, say):
        assert spec.internal_id not in self.working, "two preparations of one container overlap"
        self.working.add(spec.internal_id)
        self.record.append("begun")
        try:
            await trio.sleep(self.seconds)
            if self.refusal:
                raise Unprepared(self.refusal)
            if self.warning:
                say(self.warning)
            self.files.add(spec.volume_id)
            self.record.append("done")
        except trio.Cancelled:
            self.record.append("cancelled")
            raise
        finally:
            self.working.discard(spec.internal_id)
