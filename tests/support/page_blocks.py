"""What stands between fences on the pages for people: by heading and language, as it stands."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = "```"


def read_sections(name):
    """Each heading of the page with its fenced blocks as (language, text), from the first to the last."""
    heading, fence, sections, kept = "", None, {"": []}, []
    for line in (ROOT / name).read_text().splitlines():
        mark = line.lstrip()
        if fence is not None:
            if mark == FENCE:
                sections[heading].append((fence[1], "".join(f"{each[fence[0] :]}\n" for each in kept)))
                fence = None
            else:
                kept.append(line)
        elif mark.startswith(FENCE):
            fence, kept = (len(line) - len(mark), mark.removeprefix(FENCE)), []
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
            sections.setdefault(heading, [])
    return sections


def blocks(name, heading, language="bash"):
    """The blocks of that language under one heading."""
    return [text for kind, text in read_sections(name)[heading] if kind == language]


def all_blocks(name, *languages):
    """The blocks of those languages on the whole page."""
    return [text for found in read_sections(name).values() for kind, text in found if kind in languages]
