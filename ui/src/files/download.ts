/** Saves a file of a volume. A browser cannot send the token with a link, so the file is fetched. */

import { send } from "../lib/api";

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<{ createWritable: () => Promise<WritableStream<Uint8Array>> }>;
}

const LARGE = 64 * 1024 * 1024;

/** Save a file; a large one goes to the disk directly where the browser can do that. */
export async function download(volume: string, path: string, name: string, size: number): Promise<void> {
  const picker = (window as unknown as Picker).showSaveFilePicker;
  if (size > LARGE && picker !== undefined) {
    let target: WritableStream<Uint8Array>;
    try {
      target = await (await picker.call(window, { suggestedName: name })).createWritable();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      throw error;
    }
    const response = await send("GET", `/volumes/${volume}/files/content`, { query: { path } });
    await response.body?.pipeTo(target);
    return;
  }
  const response = await send("GET", `/volumes/${volume}/files/content`, { query: { path } });
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => { URL.revokeObjectURL(url); }, 60_000);
}
