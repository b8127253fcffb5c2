"""An egg of our own, with something in each field that has an effect."""

EGG = {
    "meta": {"version": "PTDL_v2", "update_url": None},
    "name": "A game",
    "author": "a@example.org",
    "description": "",
    "features": ["eula", "unknown"],
    "docker_images": {"Java 21": "example.org/java:21", "Java 17": "~example.org/java:17"},
    "file_denylist": [],
    "startup": "./game --port {{SERVER_PORT}} --name {{NAME}} {{UNKNOWN}}",
    "config": {
        "files": '{"a.cfg": {"parser": "properties", "find": {"port": "{{server.build.default.port}}"}}}',
        "startup": '{"done": "Ready"}',
        "logs": "{}",
        "stop": "^C",
    },
    "scripts": {"installation": {"script": "a\r\nb\r\n", "container": "debian", "entrypoint": "bash"}},
    "variables": [
        {
            "name": "Name",
            "description": "its name",
            "env_variable": "NAME",
            "default_value": "",
            "user_viewable": True,
            "user_editable": 1,
            "rules": "required|string|max:5",
            "field_type": "text",
        }
    ],
}
