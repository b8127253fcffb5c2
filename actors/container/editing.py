"""Changing the settings of an existing container. Pure.

``stop``, ``restart_policy``, ``labels``, ``display_name`` and ``query`` take effect at once: a restart that
is due is cancelled if the new policy is ``never``. New limits are applied to the running container; if the
engine refuses them, the previous ones stay. The command, the environment, the image, a read-only root file
system and the removal of a limit need a new container, which the next start creates; the install script is
not run, and the volume is kept. If its image can't be pulled, that start fails, and the old container remains
in the engine until the new one is created: a start after the image was changed back uses it again. A new
start pattern is used from the next start on, and a new pull policy from the next creation of a container on.
"""

import attrs

from actors.container import events, messages
from actors.container.events import Events
from actors.container.replacement import check_unchanging
from actors.container.spec import ContainerSpec, Installer, Limits
from actors.container.state import Phase, State
from actors.kernel.decider import Rejection


def edit(state: State, command: messages.Edit) -> Events:
    check_unchanging(state)
    old = state.known_spec
    if command.egg is not None and command.egg_before != old.egg:
        raise Rejection("changing", f"the egg of container {old.internal_id} was changed at the same time")
    pattern = old.start_pattern if command.start_pattern is None else command.start_pattern or None
    pull = command.pull or old.pull
    moved = pull == "always" and not state.outdated  # the name may lead to another image by now
    same = command.image == old.image and not moved
    edited = events.Edited(
        startup_command=command.startup_command or old.startup_command,
        start_pattern=pattern,
        environment=old.environment if command.environment is None else command.environment,
        stop=command.stop or old.stop,
        restart_policy=command.restart_policy or old.restart_policy,
        limits=command.limits or old.limits,
        read_only=old.read_only if command.read_only is None else command.read_only,
        image=None if same else command.image,
        pull=None if pull == old.pull else pull,
        labels=None if command.labels == old.labels else command.labels,
        display_name=None if command.display_name == old.display_name else command.display_name,
        entrypoint=None if command.entrypoint == old.entrypoint else command.entrypoint,
        install=None if _to_installer(command.install, old) == old.install else command.install,
        start_texts=None if command.start_texts == old.start_texts else command.start_texts,
        file_denylist=None if command.file_denylist == old.file_denylist else command.file_denylist,
        egg=None if command.egg == old.egg else command.egg,
        query=None if command.query == old.query else command.query,
    )
    if edited.image is None and _to_spec(old, edited) == old:
        return ()
    if state.phase is Phase.WAITING and edited.restart_policy.mode == "never":
        return (edited, events.RestartCalledOff(state.run))
    return (edited,)


def _to_installer(install: Installer | None, spec: ContainerSpec) -> Installer | None:
    """Return the installer that ``install`` in an edit means."""
    if install is None:
        return spec.install
    return install if install.script else None


def _to_spec(spec: ContainerSpec, event: events.Edited) -> ContainerSpec:
    return attrs.evolve(
        spec,
        startup_command=event.startup_command,
        start_pattern=event.start_pattern,
        environment=event.environment,
        stop=event.stop,
        restart_policy=event.restart_policy,
        limits=event.limits,
        read_only=event.read_only,
        image=event.image or spec.image,
        pull=event.pull or spec.pull,
        labels=spec.labels if event.labels is None else event.labels,
        display_name=spec.display_name if event.display_name is None else event.display_name,
        entrypoint=event.entrypoint or spec.entrypoint,
        install=_to_installer(event.install, spec),
        install_script=spec.install_script if event.install is None else None,
        start_texts=spec.start_texts if event.start_texts is None else event.start_texts,
        file_denylist=spec.file_denylist if event.file_denylist is None else event.file_denylist,
        egg=event.egg or spec.egg,
        query=event.query or spec.query,
    )


def apply(state: State, event: events.Edited) -> State:
    """Return the state after ``event``."""
    old = state.known_spec
    spec = _to_spec(old, event)
    lifted = needs_new_container(old.limits, spec.limits)
    rewritten = _to_making(spec) != _to_making(old)
    there = state.engine_id is not None or state.phase is Phase.STARTING  # it may exist already, unreported
    limited = spec.limits != old.limits and not lifted and there
    return attrs.evolve(
        state,
        spec=spec,
        outdated=state.outdated or lifted or rewritten or event.image is not None,
        limits_before=old.limits if limited else None,
    )


def _to_making(spec: ContainerSpec) -> tuple[object, ...]:
    """Return the settings that only a new container can take on."""
    told = spec.egg is not None or spec.entrypoint == "image"  # its environment has its memory limit
    memory = spec.limits.memory if told else None
    return spec.startup_command, spec.environment, spec.read_only, spec.entrypoint, spec.egg, memory


def needs_new_container(old: Limits, new: Limits) -> bool:
    """Return true if a limit is removed: an engine can change a limit, but not remove it."""
    pairs = ((old.memory, new.memory), (old.cpu, new.cpu), (old.pids, new.pids))
    return any(before is not None and after is None for before, after in pairs)


def limits(state: State, report: messages.LimitsReported) -> Events:
    if state.limits_before is None or report.limits != state.known_spec.limits:
        return ()
    if report.error is not None:
        return (events.LimitsRefused(state.limits_before, report.error),)
    return (events.LimitsApplied(report.limits),)
