// What every measurement is given.
import type { Client } from "@temporalio/client";
import type { BenchServers } from "./bench-servers.ts";
import type { BenchSize } from "./bench-size.ts";
import type { Peers } from "./peers.ts";

export interface BenchContext {
  readonly size: BenchSize;
  readonly servers: BenchServers;
  readonly client: Client;
  readonly peers: Peers;
  /** The weddings' database, and its organizations; the first is the big one. */
  readonly sourceUrl: string;
  readonly organizationIds: readonly string[];
  /** For peers: the PATH with the server's own psql, and the connection as libpq reads it. */
  readonly peerEnvironment: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

export const megabytes = (bytes: number): number => bytes / 1e6;
