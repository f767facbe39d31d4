// One connection to the source, set up so that the same row always gives the same bytes, whatever the role's or the
// database's settings say, and so that nothing times out under a long COPY.
import { Client } from "pg";
import { mapPostgresError } from "./map-error.ts";
import { mayPool, PooledSocket } from "./pooled-socket.ts";

/** Values arrive as the text that Postgres sent: pg would cut microseconds and round numbers. */
const asText = { getTypeParser: () => (value: string) => value };

const settings = `
  SET datestyle = 'ISO, MDY'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET client_encoding = 'UTF8';
  SET bytea_output = 'hex'; SET extra_float_digits = 3; SET search_path = ''; SET xmloption = 'content';
  SET row_security = off; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
  SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0; SET jit = off;
  SET lock_timeout = 0; SET default_transaction_read_only = on;
  SET standard_conforming_strings = on; SET escape_string_warning = off; SET lc_monetary = 'C'; SET array_nulls = on;
  SET quote_all_identifiers = off; SET gin_fuzzy_search_limit = 0;
  SELECT set_config(name, CASE setting WHEN 'on' THEN 'off' ELSE '0' END, false) FROM pg_catalog.pg_settings
  WHERE name IN ('transaction_timeout', 'idle_session_timeout')
    OR name IN ('zero_damaged_pages', 'ignore_checksum_failure', 'ignore_system_indexes') AND setting = 'on';`;

export interface SourceConnection {
  readonly client: Client;
  /** Settles when the connection ended without close(); the reason, for people. */
  readonly lost: Promise<string>;
  close(): Promise<void>;
  /** Whether it works, and nothing is asked of it. */
  isAtRest(): boolean;
  /** Ends the connection without a word: a COPY that nobody reads would wait for ever. */
  destroy(): void;
}

/** `forCopyOut`: for rows that CopyOut reads; pg-copy-streams would wait for ever on a socket that reads into a pool. */
export async function openConnection(
  url: string,
  applicationName: string,
  { forCopyOut = false }: { readonly forCopyOut?: boolean } = {},
): Promise<SourceConnection> {
  const client = new Client({
    connectionString: url,
    application_name: applicationName,
    types: asText,
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
    ...(forCopyOut && mayPool(url, process.env) ? { stream: () => new PooledSocket() } : {}),
  });
  let closing = false;
  let gone = false;
  let settle: (reason: string) => void = () => {};
  const lost = new Promise<string>((resolve) => (settle = resolve));
  const lose = (reason: string): void => {
    gone = true;
    settle(reason);
  };
  client.on("error", (error) =>
    lose(closing ? "closed" : `connection error (${(error as { code?: string }).code ?? "no code"})`),
  );
  client.on("end", () => lose(closing ? "closed" : "connection ended"));
  try {
    await client.connect();
    await client.query(settings);
  } catch (error) {
    client.end().catch(() => {}); // it never worked; the reason is thrown below
    throw mapPostgresError(error, "connecting to the source database");
  }
  return {
    client,
    lost,
    isAtRest() {
      // pg has no word for it: a query is under way until the server is ready for the next.
      const { readyForQuery, _activeQuery } = client as unknown as { readyForQuery: boolean; _activeQuery: unknown };
      return !closing && !gone && readyForQuery && _activeQuery === null;
    },
    async close() {
      if (closing) return;
      closing = true;
      await client.end().catch(() => {}); // a connection that is gone is closed
    },
    destroy() {
      closing = true;
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    },
  };
}
