// Connections to the source that are used again. Each small backup opens two, and a new one costs Postgres a process that
// has yet to learn the catalogue, more than reading the rows. What must hold: only one whose transaction is over and that
// nobody uses comes back; none is kept for long, as each takes one of the database's places.
import { openConnection, type SourceConnection } from "./connection.ts";

const maxIdle = 16;
const keptForMs = 5_000;
/** Then a new one is opened: what hangs on a connection, here and in its process, must not grow for as long as a night. */
const maxUses = 20;

export class IdleConnections {
  private readonly open: () => Promise<SourceConnection>;
  private readonly idle = new Map<SourceConnection, NodeJS.Timeout>();
  private readonly uses = new WeakMap<SourceConnection, number>();
  private closed = false;

  constructor(url: string, applicationName: string) {
    this.open = () => openConnection(url, applicationName, { forCopyOut: true });
  }

  /** The one that was used last: the others may grow old. */
  async take(): Promise<SourceConnection> {
    const known = [...this.idle.keys()].at(-1);
    if (known === undefined) return await this.open();
    this.forget(known);
    return known;
  }

  /** Ends its transaction; closes what is still busy, or broken. */
  async giveBack(connection: SourceConnection): Promise<void> {
    const uses = (this.uses.get(connection) ?? 0) + 1;
    this.uses.set(connection, uses);
    const isWanted = uses < maxUses && this.idle.size < maxIdle && !this.closed;
    if (!isWanted || !connection.isAtRest()) return await connection.close();
    try {
      await connection.client.query("ROLLBACK; SET lock_timeout = 0");
    } catch {
      return await connection.close(); // it broke meanwhile; whoever used it has what he wanted
    }
    if (this.closed) return await connection.close();
    const timer = setTimeout(() => {
      this.forget(connection);
      void connection.close();
    }, keptForMs);
    this.idle.set(connection, timer);
    void connection.lost.then(() => this.forget(connection));
  }

  async close(): Promise<void> {
    this.closed = true;
    const kept = [...this.idle.keys()];
    for (const connection of kept) this.forget(connection);
    await Promise.all(kept.map((connection) => connection.close()));
  }

  private forget(connection: SourceConnection): void {
    clearTimeout(this.idle.get(connection));
    this.idle.delete(connection);
  }
}
