"""The routes of the files in a volume."""

from lightd.api import file_bodies
from lightd.http.error_codes import FILES, JSON, VOLUME
from lightd.http.openapi.answers import FILE_OPERATION
from lightd.http.openapi.entry import Answer, Body, Entry, Section
from lightd.http.openapi.schemas import TEXT, WHOLE, Schema, many, message, nullable, record, ref, told

_BYTES = "application/octet-stream"
_ANY: Schema = {"type": "string", "format": "binary"}
_VOLUME = ("volume_id",)
_CONTENT = "/volumes/{volume_id}/files/content"
_UPLOAD = "/volumes/{volume_id}/files/upload"
_ETAG = told(TEXT, "changes with the contents")


def _moved(text: str) -> Schema:
    return record({"message": message(text), "source": TEXT, "destination": TEXT})


_STORED: Schema = {
    "oneOf": [
        record(
            {"message": message("File uploaded successfully"), "path": TEXT, "size": WHOLE, "etag": _ETAG}
        ),
        record({"message": message("Part received"), "path": TEXT, "offset": WHOLE, "length": WHOLE}),
    ]
}

FOLDERS = Section(
    "Files",
    "The files of a volume. Paths are relative to the volume; an empty or absolute path, or one that leads out of the "
    "volume, is a 400. Symbolic links within the volume are followed, and never replaced by a write.",
    (
        Entry(
            method="POST",
            path="/volumes/{volume_id}/files",
            name="write_file",
            summary="Write a text file",
            text="Creates parent folders; the file is replaced as a whole or not at all.",
            curl="""call $url/volumes/$volume/files -d '{"path":"conf/motd.txt","content":"Welcome\\n"}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.FileBody),
            answer=record({"message": message("File written successfully"), "path": TEXT}),
            faults=(*FILES, *JSON),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/folders",
            name="make_folder",
            summary="Create a folder",
            text="Creates parent folders; succeeds if the folder exists.",
            curl="""call $url/volumes/$volume/folders -d '{"path":"worlds/one"}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.FolderBody),
            answer=record({"message": message("Folder created successfully"), "path": TEXT}),
            faults=(*FILES, *JSON),
        ),
        Entry(
            method="GET",
            path="/volumes/{volume_id}/files",
            name="list_files",
            summary="List a folder",
            text="Folders first, then files, each sorted by name.",
            curl='call "$url/volumes/$volume/files?path=conf&limit=100"',
            parameters=(*_VOLUME, "folder", "page", "cursor"),
            answer=record(
                {"files": many(ref("File")), "next": nullable(told(TEXT, "the cursor of the next page"))}
            ),
            faults=(*FILES, "invalid_cursor"),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/copy",
            name="copy_file",
            summary="Copy a file or a folder",
            text="409 if the destination exists. Links are copied as links, special files are skipped. "
            "If the client disconnects, the copy is cancelled and removed.",
            curl="""call $url/volumes/$volume/copy -d '{"source":"conf","destination":"conf.old"}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.FromToBody),
            answer=_moved("Copied successfully"),
            faults=(*FILES, *JSON),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/rename",
            name="rename_file",
            summary="Rename or move a file or a folder",
            text="Creates parent folders; 409 if the destination exists.",
            curl="""call $url/volumes/$volume/rename -d '{"source":"conf.old","destination":"old/conf"}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.FromToBody),
            answer=_moved("Renamed successfully"),
            faults=(*FILES, *JSON),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/chmod",
            name="change_mode",
            summary="Change a file's mode",
            text="`mode` is a string of three octal digits.",
            curl="""call $url/volumes/$volume/chmod -d '{"path":"conf/motd.txt","mode":"600"}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.ModeBody),
            answer=record({"message": message("Mode changed successfully"), "path": TEXT, "mode": TEXT}),
            faults=(*FILES, *JSON, "invalid_mode"),
        ),
        Entry(
            method="PUT",
            path=_CONTENT,
            name="upload_file",
            summary="Upload a file, or a part of one",
            text="The body is the contents of the file, of any size. It is written to a temporary file, which replaces the "
            "target when it is complete. For a resumable upload, give it a name (`upload`) and the total size "
            "(`length`); each body is then a part that begins at `offset`, and received parts are kept for 24 hours.",
            curl='head -c 1000 /dev/zero | call -T - "$url/volumes/$volume/files/content?path=server.jar"',
            parameters=(*_VOLUME, "path", "upload", "offset", "length", "if_match", "if_none_match"),
            raw_body=True,
            answer=_STORED,
            faults=(*FILES, "invalid_offset", "precondition_failed"),
        ),
        Entry(
            method="GET",
            path=_CONTENT,
            name="download_file",
            summary="Download a file, or a range of it",
            curl='call -r 0-99 -o head.bin "$url/volumes/$volume/files/content?path=server.jar"',
            parameters=(*_VOLUME, "path", "range", "if_match", "if_none_match"),
            others=(
                Answer(200, "The bytes.", _BYTES, _ANY, ("ETag", "Last-Modified", "Content-Disposition")),
                Answer(206, "The range.", _BYTES, _ANY, ("ETag", "Content-Range", "Content-Disposition")),
                Answer(304, "Not modified.", headers=("ETag",)),
            ),
            faults=(*FILES, "precondition_failed", "range_not_satisfiable"),
        ),
        Entry(
            method="GET",
            path=_UPLOAD,
            name="show_upload",
            summary="Show the progress of an upload",
            text="`offset` is 0 if nothing has been received.",
            before="head -c 400 /dev/zero | call -T - "
            '"$url/volumes/$volume/files/content?path=big.jar&upload=b1&length=1000"',
            curl='call "$url/volumes/$volume/files/upload?path=big.jar&upload=b1"',
            parameters=(*_VOLUME, "path", "upload_named"),
            answer=record({"path": TEXT, "upload": TEXT, "offset": WHOLE}),
            faults=FILES,
        ),
        Entry(
            method="DELETE",
            path=_UPLOAD,
            name="abandon_upload",
            summary="Cancel an upload",
            curl='call -X DELETE "$url/volumes/$volume/files/upload?path=big.jar&upload=b1"',
            parameters=(*_VOLUME, "path", "upload_named"),
            answer=record({"message": message("Upload abandoned"), "path": TEXT, "upload": TEXT}),
            faults=(*FILES, *JSON),
        ),
        Entry(
            method="DELETE",
            path="/volumes/{volume_id}/files",
            name="delete_files",
            summary="Delete files and folders",
            text="404 if one of them does not exist; then nothing is deleted.",
            curl="""call -X DELETE $url/volumes/$volume/files -d '{"paths":["old","server.jar"]}'""",
            parameters=_VOLUME,
            body=Body(file_bodies.PathsBody),
            answer=record({"message": message("Files deleted successfully"), "paths": many(TEXT)}),
            faults=(*FILES, *JSON),
        ),
    ),
)


def _pending(text: str) -> Schema:
    return record({"message": message(text), "operation_id": TEXT, "status": message("pending")})


_OPERATION = "/volumes/{volume_id}/operations/{operation_id}"
_OF_ONE = (*VOLUME, "operation_not_found")
_SET = 'sed \'s/.*"operation_id":"\\([^"]*\\)".*/\\1/\''

ARCHIVES = Section(
    "Archives",
    "Formats: `zip`, `tar`, `tar.gz`, `tar.bz2` and `tar.zst`. Without `wait` the response is sent when the work is done, "
    "and the work is cancelled if the client disconnects; with `wait` it continues without the client. "
    "Each volume processes one archive at a time.",
    (
        Entry(
            method="POST",
            path="/volumes/{volume_id}/compress",
            name="compress",
            summary="Create an archive",
            text="The file extension is added to `output_name` if it is missing; without `sources`, all files are packed.",
            curl="call $url/volumes/$volume/compress "
            """-d '{"format":"tar.gz","output_name":"backup","sources":["conf","worlds"]}'""",
            parameters=(*_VOLUME, "wait"),
            body=Body(file_bodies.CompressBody),
            answer={
                "oneOf": [
                    record(
                        {
                            "message": message("Compression successful"),
                            "archive_path": TEXT,
                            "size": told(WHOLE, "bytes"),
                            "operation_id": TEXT,
                        }
                    ),
                    _pending("Compression started"),
                ]
            },
            faults=(*FILES, *JSON, "invalid_archive", "cancelled"),
        ),
        Entry(
            method="POST",
            path="/volumes/{volume_id}/decompress",
            name="decompress",
            summary="Extract an archive",
            text="The format is detected from the contents. Folders are merged, files are replaced; after a failure the "
            "destination is unchanged. `left_out` is the number of skipped entries: devices, and links that lead out.",
            curl="call $url/volumes/$volume/decompress "
            """-d '{"archive_path":"backup.tar.gz","destination":"restored"}'""",
            parameters=(*_VOLUME, "wait"),
            body=Body(file_bodies.DecompressBody),
            answer={
                "oneOf": [
                    record(
                        {
                            "message": message("Decompression successful"),
                            "destination": TEXT,
                            "left_out": WHOLE,
                            "operation_id": TEXT,
                        }
                    ),
                    _pending("Decompression started"),
                ]
            },
            faults=(*FILES, *JSON, "invalid_archive", "cancelled"),
        ),
        Entry(
            method="GET",
            path="/volumes/{volume_id}/operations",
            name="list_file_operations",
            summary="List archive operations",
            curl="call $url/volumes/$volume/operations",
            parameters=_VOLUME,
            answer=record({"operations": many(ref("FileOperation"))}),
            faults=VOLUME,
        ),
        Entry(
            method="GET",
            path=_OPERATION,
            name="show_file_operation",
            summary="Show an archive operation",
            before='packing=$(call "$url/volumes/$volume/compress?wait=0" '
            """-d '{"format":"zip","output_name":"all"}' | """ + _SET + ")",
            curl="call $url/volumes/$volume/operations/$packing",
            parameters=(*_VOLUME, "operation_id"),
            answer=ref("FileOperation"),
            faults=_OF_ONE,
        ),
        Entry(
            method="DELETE",
            path=_OPERATION,
            name="end_file_operation",
            summary="Cancel an archive operation",
            text="The response is sent when it has ended. A finished operation is not changed.",
            curl="call -X DELETE $url/volumes/$volume/operations/$packing",
            parameters=(*_VOLUME, "operation_id"),
            answer=record({"message": message("Operation ended"), **FILE_OPERATION}),
            faults=(*_OF_ONE, *JSON),
        ),
    ),
)
