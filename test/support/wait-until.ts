// Waits for something to become true: by asking, never by a fixed time.
export async function waitUntil(
  what: string,
  isTrue: () => Promise<boolean> | boolean,
  timeoutMs = 90_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
