import type { StopServers } from "./global-setup.ts";

export default async function stopServers(): Promise<void> {
  await (globalThis as { stopTestServers?: StopServers }).stopTestServers?.();
}
