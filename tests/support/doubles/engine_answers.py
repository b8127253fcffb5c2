"""What a Docker Engine says of itself, as the doctor asks it."""

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41"}


INFO = {
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "Plugins": {"Log": ["json-file", "local"]},
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Driver": "overlay2",
    "InitBinary": "docker-init",
    "InitCommit": {"ID": ""},
    "SystemTime": "2026-05-28T20:26:40Z",
}
