/** Numbers and times as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function toBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}

export function toDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min`;
  const hours = Math.floor(whole / 3600);
  if (hours < 48) return `${String(hours)} h ${String(Math.floor((whole % 3600) / 60))} min`;
  return `${String(Math.floor(hours / 24))} d ${String(hours % 24)} h`;
}

const pad = (value: number): string => String(value).padStart(2, "0");

/** Return the local time of day of a moment in Unix seconds. */
export function toClock(at: number): string {
  const date = new Date(at * 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** Return the local date and time of a moment in Unix seconds. */
export function toMoment(at: number): string {
  const date = new Date(at * 1000);
  return `${String(date.getFullYear())}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${toClock(at)}`;
}

export function toPercent(value: number): string {
  return `${value.toFixed(value >= 10 || value === 0 ? 0 : 1)} %`;
}

export function toCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Read a size such as `512`, `512 MiB` or `2G`, in bytes unless it has a unit; null if it is none. */
export function readBytes(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?\s*$/i.exec(text);
  if (match === null) return null;
  const power = ["", "K", "M", "G", "T"].indexOf((match[2] ?? "").toUpperCase());
  return Math.round(Number(match[1]) * 1024 ** power);
}
