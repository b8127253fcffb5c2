/** How long to wait before the next attempt to connect: doubling from half a second to ten, less up to a third. */
export function toDelay(attempt: number, random: number): number {
  const most = Math.min(10_000, 500 * 2 ** Math.min(attempt, 10));
  return Math.round(most * (1 - random / 3));
}
