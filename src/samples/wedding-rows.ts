// The rows of one wedding: guests and their answers, seats, money, the day's plan, messages and photos.
import { SampleRows, pad, textArray } from "./sample-rows.ts";
import type { SampleSize } from "./sample-size.ts";
import { awkward, dishes, firstNames, lastNames, needs, places, sentences, streets, trades } from "./words.ts";

interface Organization {
  readonly organizationId: string;
  readonly vendorIds: readonly string[];
  /** Photos' paths are added. */
  readonly paths: string[];
}

export class WeddingRows {
  private readonly made: SampleRows;
  private readonly of: Organization;

  constructor(made: SampleRows, of: Organization) {
    this.made = made;
    this.of = of;
  }

  add(size: SampleSize, number: number): void {
    const { random } = this.made;
    const weddingId = random.uuid();
    const guestIds = Array.from({ length: size.guestsPerWedding }, () => random.uuid());
    const couple = `${random.pick(firstNames)} & ${random.pick(firstNames)} ${random.pick(lastNames)} #${number + 1}`;
    const venue = `{"name": "${random.pick(places)}", "rooms": [${random.below(9)}, ${random.below(9)}]}`;
    const tags = textArray([random.pick(["summer", "winter"]), random.pick(["city", "country", "sea, side"])]);
    const archived = random.chance(0.1) ? "-infinity" : null;
    const heldOn = this.made.day();
    this.made.add("weddings", [
      weddingId,
      this.of.organizationId,
      couple,
      heldOn,
      venue,
      "EUR",
      guestIds[0] ?? null,
      tags,
      archived,
      this.made.moment(),
    ]);
    this.addSeating(weddingId, this.addGuests(weddingId, guestIds));
    this.addMoney(weddingId);
    for (let i = 0; i < 14; i++) {
      const duration = random.chance(0.8) ? `${random.below(4)}:${pad(random.below(60))}:00` : null;
      this.made.add("timeline_events", [
        random.uuid(),
        this.of.organizationId,
        weddingId,
        random.pick(sentences).slice(0, 30),
        `${heldOn} ${pad(8 + i)}:${pad(random.below(60))}:00.${String(random.below(1_000_000)).padStart(6, "0")}+00`,
        duration,
        random.pick(sentences),
      ]);
    }
    for (const dish of dishes) {
      const allergens = random.chance(0.5) ? textArray([random.pick(needs), random.pick(needs)]) : null;
      this.made.add("menus", [
        random.uuid(),
        this.of.organizationId,
        weddingId,
        random.pick(["starter", "main", "dessert", "late snack"]),
        dish,
        allergens,
      ]);
    }
    for (let i = 0; i < size.messagesPerWedding; i++) {
      const body = Array.from({ length: 1 + random.below(5) }, () => random.pick(sentences)).join(" ");
      const metadata = `{"device": "${random.pick(["ios", "android", "web"])}", "read": ${random.chance(0.7)}}`;
      this.made.add("messages", [
        random.uuid(),
        this.of.organizationId,
        weddingId,
        `${random.pick(firstNames)} ${random.pick(lastNames)}`,
        body,
        this.made.moment(),
        metadata,
      ]);
    }
    for (let i = 0; i < size.photosPerWedding; i++) {
      const id = random.uuid();
      const path = `${this.of.organizationId}/photos/${id}.jpg`;
      this.of.paths.push(path);
      const exif = `{"ISO": ${100 * (1 + random.below(32))}, "FNumber": ${1 + random.below(8)}.0, "GPS": [${random.below(90)}.${random.below(1e6)}, ${random.below(180)}.5]}`;
      this.made.add("photos", [
        id,
        this.of.organizationId,
        weddingId,
        path,
        random.chance(0.5) ? random.pick(sentences) : null,
        exif,
        this.made.moment(),
      ]);
    }
  }

  /** @returns those who attend. */
  private addGuests(weddingId: string, guestIds: readonly string[]): string[] {
    const { random } = this.made;
    const attending: string[] = [];
    let household: string | null = null;
    for (const [index, id] of guestIds.entries()) {
      if (index % 3 === 0) {
        household = random.uuid();
        this.made.add("households", [
          household,
          this.of.organizationId,
          weddingId,
          `The ${random.pick(lastNames)} family`,
          `${1 + random.below(99)} ${random.pick(streets)}`,
        ]);
      }
      const first = random.pick(firstNames);
      const last = random.pick(lastNames);
      const email = random.chance(0.8) ? `guest${random.below(1e9)}@example.org` : null;
      const phone = random.chance(0.6) ? `+${random.below(99)} ${random.below(1e9)}` : null;
      const preferences = random.chance(0.7)
        ? `{"music": "${random.pick(["jazz", "folk", "60s"])}", "table_near": "${random.pick(needs)}",  "music": null}`
        : null;
      const notes = random.chance(0.05) ? random.pick(awkward) : random.chance(0.5) ? random.pick(sentences) : null;
      const points = random.chance(0.2) ? String(9_007_199_254_740_993n + BigInt(random.below(1000))) : null;
      this.made.add("guests", [
        id,
        this.of.organizationId,
        weddingId,
        random.chance(0.9) ? household : null,
        first,
        last,
        email,
        phone,
        preferences,
        notes,
        points,
        this.made.moment(),
        this.made.moment(),
      ]);
      const status = random.pick(["pending", "attending", "attending", "not attending", "maybe"]);
      this.made.add("rsvps", [
        id,
        "ceremony",
        status,
        random.chance(0.8) ? this.made.moment() : null,
        textArray(["pending", status]),
      ]);
      if (random.chance(0.5)) this.made.add("rsvps", [id, "dinner", status, null, "{}"]);
      if (random.chance(0.25)) this.made.add("dietary_needs", [id, random.pick(needs), 1 + random.below(5)]);
      if (random.chance(0.08)) this.made.comment("guest", id);
      if (status === "attending") attending.push(id);
    }
    return attending;
  }

  private addSeating(weddingId: string, guestIds: readonly string[]): void {
    const { random } = this.made;
    for (let at = 0; at < guestIds.length; at += 8) {
      const tableId = random.uuid();
      this.made.add("seating_tables", [
        tableId,
        weddingId,
        `Table ${at / 8 + 1}`,
        10,
        `(${random.below(40)}.5,${random.below(40)})`,
      ]);
      guestIds.slice(at, at + 8).forEach((guestId, seat) => {
        if (random.chance(0.95)) this.made.add("seat_assignments", [tableId, seat + 1, guestId]);
      });
    }
  }

  private addMoney(weddingId: string): void {
    const { random } = this.made;
    const budgetId = random.uuid();
    const planned = trades.map(() => random.below(5000));
    const total = planned.reduce((sum, each) => sum + each + 1, random.below(10_000));
    this.made.add("budgets", [budgetId, weddingId, `${total}.500`]);
    for (const [index, trade] of trades.entries()) {
      this.made.add("budget_items", [
        random.uuid(),
        budgetId,
        trade,
        `${planned[index]}.10`,
        random.chance(0.6) ? `${random.below(5000)}.1000` : null,
      ]);
    }
    for (let i = 0; i < 5; i++) {
      const contractId = random.uuid();
      const amount = 300 + random.below(9000);
      const vendorId = random.pick(this.of.vendorIds);
      const terms = Array.from({ length: 6 }, () => random.pick(sentences)).join("\n");
      const signature = random.chance(0.7) ? `\\x${random.bytes(180).toString("hex")}` : null;
      this.made.add("contracts", [
        contractId,
        this.of.organizationId,
        weddingId,
        vendorId,
        `${amount}.50`,
        terms,
        signature,
        null,
        random.chance(0.5) ? "infinity" : this.made.moment(),
      ]);
      for (let n = 0; n < 3; n++) {
        this.made.add("payments", [
          contractId,
          `${random.below(amount / 3 - 1)}.2500`,
          String(9_007_199_254_740_995n + BigInt(random.below(1e6))),
          random.chance(0.7) ? this.made.moment() : null,
        ]);
      }
      if (i === 0) this.made.comment("vendor", vendorId);
    }
  }
}
