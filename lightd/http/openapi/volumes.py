"""The routes of volumes and their sizes."""

from lightd.api import file_bodies
from lightd.http.error_codes import JSON, RECORDS, VOLUME
from lightd.http.openapi.entry import Body, Entry, Section
from lightd.http.openapi.schemas import many, message, record, ref

VOLUMES = Section(
    "Volumes",
    "Folders with the files of servers. Sizes are in MB of 1,048,576 bytes; a volume without a size is unlimited. "
    "`kind` and `quota_kind` say how the size is enforced: `project` and `btrfs` by the kernel, `accounted` by lightd, "
    "which measures the volume and stops a server that keeps growing beyond it.",
    (
        Entry(
            method="POST",
            path="/volumes",
            name="create_volume",
            summary="Create a volume",
            curl="""call $url/volumes -d '{"size":1024}'""",
            body=Body(file_bodies.VolumeBody, required=False),
            answer=ref("Volume"),
            status=201,
            faults=(*JSON, *RECORDS, "no_space", "no_free_user", "volume_not_mounted"),
        ),
        Entry(
            method="GET",
            path="/volumes",
            name="list_volumes",
            summary="List all volumes",
            curl="call $url/volumes",
            answer=record({"volumes": many(ref("Volume"))}),
        ),
        Entry(
            method="GET",
            path="/volumes/{volume_id}",
            name="show_volume",
            summary="Show a volume",
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
            summary="Show the maximum and current size of a volume",
            curl="call $url/volumes/$volume/quota",
            parameters=("volume_id",),
            answer=ref("Quota"),
            faults=(*VOLUME, "file_not_found", "file_not_allowed", "overloaded"),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/resize",
            name="resize_volume",
            summary="Resize a volume",
            text="Also while its server runs. A size below the current usage is rejected.",
            curl="""call $url/volumes/$volume/resize -d '{"size":2048}'""",
            parameters=("volume_id",),
            body=Body(file_bodies.SizeBody),
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
            summary="Delete a volume and its files",
            text="It is inaccessible immediately; its disk space is freed in the background.",
            curl="call -X DELETE $url/volumes/$spare",
            before='spare=$(call -X POST $url/volumes | sed \'s/.*"volume_id":"\\([^"]*\\)".*/\\1/\')',
            parameters=("volume_id",),
            answer=record({"message": message("Volume deleted successfully")}),
            faults=(*VOLUME, *JSON, *RECORDS, "not_found", "volume_in_use", "file_not_found"),
        ),
    ),
)
