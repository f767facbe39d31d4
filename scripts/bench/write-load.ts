// Users at work: short writes to other organizations' rows, at a fixed pace, each timed.
import { Client } from "pg";

const connections = 4;
const pauseMs = 4;

export class WriteLoad {
  /** [moment, milliseconds] of each write. */
  readonly writes: { readonly atMs: number; readonly ms: number }[] = [];
  private over = false;
  private working: Promise<void>[] = [];

  static async start(url: string, exceptOrganization: string): Promise<WriteLoad> {
    const load = new WriteLoad();
    const clients = Array.from({ length: connections }, () => new Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
    const { rows } = await (clients[0] as Client).query<{ id: string }>(
      "SELECT id FROM guests WHERE organization_id <> $1 ORDER BY id LIMIT 5000",
      [exceptOrganization],
    );
    load.working = clients.map((client, index) => load.work(client, rows.slice(index * 1_000)));
    return load;
  }

  async stop(): Promise<void> {
    this.over = true;
    await Promise.all(this.working);
  }

  /** The time that 99 of 100 writes took at most, of those that began in the window. */
  p99(fromMs: number, toMs: number): number {
    const times = this.writes.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ ms }) => ms);
    return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
  }

  private async work(client: Client, guests: readonly { readonly id: string }[]): Promise<void> {
    for (let turn = 0; !this.over; turn++) {
      const atMs = performance.now();
      await client.query("UPDATE guests SET loyalty_points = coalesce(loyalty_points, 0) + 1 WHERE id = $1", [
        guests[turn % guests.length]?.id,
      ]);
      this.writes.push({ atMs, ms: performance.now() - atMs });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await client.end();
  }
}
