/** Names and paths in a volume. */

/** Return a name as people can read it: what cannot be in a path is listed as U+F000 plus a byte. */
export function toShown(name: string): string {
  return name.replace(/[\uf000-\uf0ff]/g, (char) => {
    const byte = char.charCodeAt(0) - 0xf000;
    return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
}

export function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

export function parent(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "" : path.slice(0, at);
}

export function base(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Return the folders from the volume to a path, each with its own path. */
export function toCrumbs(path: string): { readonly name: string; readonly path: string }[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((name, index) => ({ name, path: parts.slice(0, index + 1).join("/") }));
}

const ARCHIVES = /\.(zip|tar|tar\.(gz|bz2|xz|zst)|tgz|gz|bz2|xz|zst|jar)$/i;

export function isArchive(name: string): boolean {
  return ARCHIVES.test(name) && !/\.jar$/i.test(name);
}

/** Return which of many rows of the same height to show. */
export function toWindow(count: number, height: number, top: number, view: number, over = 10): { readonly first: number; readonly end: number } {
  const first = Math.max(0, Math.floor(top / height) - over);
  return { first: Math.min(first, Math.max(0, count - 1)), end: Math.min(count, Math.ceil((top + view) / height) + over) };
}
