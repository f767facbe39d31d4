// COPY … FROM STDIN. Rows come in pieces of about a megabyte, and each is freed when the socket has taken it: left to the
// collector, dozens of them lie in memory.
import type { Socket } from "node:net";
import { finished } from "node:stream/promises";
import type { ClientBase } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { freeMemory } from "../../repository/owned-memory.ts";

/**
 * `rows` gives its buffers away. @returns how many rows the server took.
 * @throws what `rows` throws, or the server; its connection then waits for rows for ever, and must be given up.
 */
export async function copyIn(client: ClientBase, sql: string, rows: AsyncIterable<Buffer>): Promise<number> {
  const sink = client.query(copyFrom(sql));
  const { stream } = (client as ClientBase & { readonly connection: { readonly stream: Socket } }).connection;
  const over = finished(sink);
  over.catch(() => {}); // awaited below, unless `rows` fails first
  for await (const piece of rows) {
    const taken = new Promise<void>((resolve, reject) =>
      sink.write(piece, (error) => (error == null ? resolve() : reject(error))),
    );
    await Promise.race([over, taken.catch(() => over)]); // a write fails for want of a connection; the server said why
    // A short piece may still lie in the socket's own queue.
    if (stream.writableLength === 0) freeMemory(piece);
  }
  sink.end();
  await over;
  return sink.rowCount;
}
