/** The files of a drop, with those in folders. */

export interface Dropped {
  readonly file: File;
  /** The folder that it is in, relative to where it was dropped; "" without one. */
  readonly folder: string;
}

const MOST = 5000;

/** Return the files of a drop; raises if there are more than can be sent at once. */
export async function readDrop(transfer: DataTransfer): Promise<Dropped[]> {
  // The entries must be taken before anything is awaited: the list is empty afterwards.
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const plain = [...transfer.files];
  if (entries.every((entry) => entry === null)) return plain.map((file) => ({ file, folder: "" }));
  const found: Dropped[] = [];
  for (const entry of entries) if (entry !== null) await walk(entry, "", found);
  return found;
}

async function walk(entry: FileSystemEntry, folder: string, found: Dropped[]): Promise<void> {
  if (found.length >= MOST) throw new Error(`These are more than ${MOST.toLocaleString("en")} files: pack them into an archive and unpack it here.`);
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => { (entry as FileSystemFileEntry).file(resolve, reject); });
    found.push({ file, folder });
    return;
  }
  const inside = folder === "" ? entry.name : `${folder}/${entry.name}`;
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (some.length === 0) return;
    for (const each of some) await walk(each, inside, found);
  }
}
