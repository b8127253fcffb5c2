"""The routes of volumes: their life and their sizes."""

from lightd.http import filebodies
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.faults import JSON, RECORDS, VOLUME
from lightd.http.openapi.schemas import many, message, record, ref

VOLUMES = Section(
    "Volumes",
    "Folders that containers work in. A size is in MB of 1,048,576 bytes; a volume without one has no ceiling. "
    "`kind` and `quota_kind` say who keeps it to its size: `project` and `btrfs` are the kernel, `accounted` is "
    "lightd, which stops a server that goes on over it.",
    (
        Entry(
            method="POST",
            path="/volumes",
            name="create_volume",
            summary="Make a volume",
            curl="""call $url/volumes -d '{"size":1024}'""",
            body=Body(filebodies.VolumeBody, required=False),
            answer=ref("Volume"),
            status=201,
            faults=(*JSON, *RECORDS, "no_space", "volume_not_mounted"),
        ),
        Entry(
            method="GET",
            path="/volumes",
            name="list_volumes",
            summary="All volumes",
            curl="call $url/volumes",
            answer=record({"volumes": many(ref("Volume"))}),
        ),
        Entry(
            method="GET",
            path="/volumes/{volume_id}",
            name="show_volume",
            summary="One volume",
            curl="call $url/volumes/$volume",
            before='volume=$(call -X POST $url/volumes | sed \'s/.*"volume_id":"\\([^"]*\\)".*/\\1/\')',
            parameters=("volume_id",),
            answer=ref("Volume"),
            faults=VOLUME,
        ),
        Entry(
            method="GET",
            path="/volumes/{volume_id}/quota",
            name="show_quota",
            summary="How much it may hold, and does",
            curl="call $url/volumes/$volume/quota",
            parameters=("volume_id",),
            answer=ref("Quota"),
            faults=(*VOLUME, "file_not_found", "file_not_allowed", "overloaded"),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/resize",
            name="resize_volume",
            summary="Give it another size",
            text="Smaller or larger, while its server runs too; one below what it holds changes nothing.",
            curl="""call $url/volumes/$volume/resize -d '{"size":2048}'""",
            parameters=("volume_id",),
            body=Body(filebodies.SizeBody),
            answer=ref("Quota"),
            faults=(
                *(*VOLUME, *JSON, *RECORDS, "not_found", "file_not_found", "file_not_allowed"),
                *("quota_below_usage", "volume_not_mounted", "no_space", "too_often"),
            ),
        ),
        Entry(
            method="DELETE",
            path="/volumes/{volume_id}",
            name="delete_volume",
            summary="Delete a volume and all that is in it",
            text="It is out of reach at once; its disk space comes back in the background.",
            curl="call -X DELETE $url/volumes/$spare",
            before='spare=$(call -X POST $url/volumes | sed \'s/.*"volume_id":"\\([^"]*\\)".*/\\1/\')',
            parameters=("volume_id",),
            answer=record({"message": message("Volume deleted successfully")}),
            faults=(*VOLUME, *JSON, *RECORDS, "not_found", "volume_in_use", "file_not_found"),
        ),
    ),
)
