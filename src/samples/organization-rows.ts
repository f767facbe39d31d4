// The rows of one organization, as COPY text.
import type { SampleSize } from "./sample-size.ts";
import type { Random } from "./random.ts";
import { awkward, dishes, firstNames, lastNames, needs, places, sentences, streets, trades } from "./words.ts";

export type TableText = string[];

/** Tables in an order that foreign keys accept when deferred ones are. */
export const columnsOf: Readonly<Record<string, string>> = {
  organizations: "id, slug, name, settings, plan_limit, created_at",
  vendors: "id, organization_id, name, category, contact, rating",
  weddings: "id, organization_id, couple, held_on, venue, currency, primary_guest_id, tags, archived_at, updated_at",
  households: "id, organization_id, wedding_id, label, address",
  guests:
    "id, organization_id, wedding_id, household_id, first_name, last_name, email, phone, preferences, notes, loyalty_points, created_at, updated_at",
  rsvps: "guest_id, event, status, answered_at, history",
  dietary_needs: "guest_id, need, severity",
  contracts: "id, organization_id, wedding_id, vendor_id, amount, terms, signature, document_path, valid_until",
  payments: "contract_id, amount, reference, paid_at",
  budgets: "id, wedding_id, total",
  budget_items: "id, budget_id, label, planned, spent",
  timeline_events: "id, organization_id, wedding_id, title, starts_at, duration, details",
  seating_tables: "id, wedding_id, label, capacity, position",
  seat_assignments: "seating_table_id, seat, guest_id",
  menus: "id, organization_id, wedding_id, course, dish, allergens",
  tasks: "id, organization_id, parent_task_id, title, done, due_on",
  messages: "id, organization_id, wedding_id, author, body, sent_at, metadata",
  photos: "id, organization_id, wedding_id, storage_path, caption, exif, taken_at",
  comments: "id, subject_type, subject_id, body, created_at",
};
export const tableOrder: readonly string[] = Object.keys(columnsOf);

type Value = string | number | boolean | null;

const escapes: Record<string, string> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const encode = (value: Value): string => {
  if (value === null) return "\\N";
  if (typeof value === "boolean") return value ? "t" : "f";
  return typeof value === "number"
    ? String(value)
    : value.replaceAll(/[\\\t\n\r]/g, (character) => escapes[character] as string);
};
const textArray = (values: readonly string[]): string =>
  `{${values.map((value) => `"${value.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`).join(",")}}`;
const pad = (number: number): string => String(number).padStart(2, "0");

export class OrganizationRows {
  readonly id: string;
  readonly paths: string[] = [];
  rows = 0;
  bytes = 0;
  private readonly random: Random;
  private readonly vendorIds: string[] = [];
  private texts = new Map<string, TableText>();

  constructor(random: Random, index: number) {
    this.random = random;
    this.id = random.uuid();
    const name = `${random.pick(places)} Weddings ${index + 1}`;
    // Duplicate keys and odd white space: `json` keeps its text, and so must a backup.
    const settings = `{"theme": "sage",  "theme":"cream", "seats" : ${random.below(500)}, "ratio": 1.10}`;
    this.add("organizations", [
      this.id,
      `org-${index + 1}-${this.id.slice(0, 4)}`,
      name,
      settings,
      "9007199254740993",
      this.moment(),
    ]);
    for (let i = 0; i < 8; i++) {
      const vendorId = random.uuid();
      this.vendorIds.push(vendorId);
      const contact = `{"person": "${random.pick(firstNames)}", "phone": "+44 20 7946 0${100 + random.below(900)}"}`;
      this.add("vendors", [
        vendorId,
        this.id,
        `${random.pick(lastNames)} & ${random.pick(lastNames)}`,
        trades[i] ?? "other",
        contact,
        `${random.below(5)}.${pad(random.below(10) * 10)}`,
      ]);
    }
    let parent: string | null = null;
    for (let i = 0; i < 10; i++) {
      const id = random.uuid();
      this.add("tasks", [
        id,
        this.id,
        i % 3 === 0 ? null : parent,
        random.pick(sentences),
        random.chance(0.3),
        this.day(),
      ]);
      parent = id;
      if (i % 4 === 0) this.comment("task", id);
    }
  }

  /** What was made since the last call. */
  take(): ReadonlyMap<string, TableText> {
    const { texts } = this;
    this.texts = new Map();
    this.bytes = 0;
    return texts;
  }

  addWedding(size: SampleSize, number: number): void {
    const { random } = this;
    const weddingId = random.uuid();
    const guestIds = Array.from({ length: size.guestsPerWedding }, () => random.uuid());
    const couple = `${random.pick(firstNames)} & ${random.pick(firstNames)} ${random.pick(lastNames)} #${number + 1}`;
    const venue = `{"name": "${random.pick(places)}", "rooms": [${random.below(9)}, ${random.below(9)}]}`;
    const tags = textArray([random.pick(["summer", "winter"]), random.pick(["city", "country", "sea, side"])]);
    const archived = random.chance(0.1) ? "-infinity" : null;
    const heldOn = this.day();
    this.add("weddings", [
      weddingId,
      this.id,
      couple,
      heldOn,
      venue,
      "EUR",
      guestIds[0] ?? null,
      tags,
      archived,
      this.moment(),
    ]);
    this.addSeating(weddingId, this.addGuests(weddingId, guestIds));
    this.addMoney(weddingId);
    for (let i = 0; i < 14; i++) {
      const duration = random.chance(0.8) ? `${random.below(4)}:${pad(random.below(60))}:00` : null;
      this.add("timeline_events", [
        random.uuid(),
        this.id,
        weddingId,
        random.pick(sentences).slice(0, 30),
        `${heldOn} ${pad(8 + i)}:${pad(random.below(60))}:00.${String(random.below(1_000_000)).padStart(6, "0")}+00`,
        duration,
        random.pick(sentences),
      ]);
    }
    for (const dish of dishes) {
      const allergens = random.chance(0.5) ? textArray([random.pick(needs), random.pick(needs)]) : null;
      this.add("menus", [
        random.uuid(),
        this.id,
        weddingId,
        random.pick(["starter", "main", "dessert", "late snack"]),
        dish,
        allergens,
      ]);
    }
    for (let i = 0; i < size.messagesPerWedding; i++) {
      const body = Array.from({ length: 1 + random.below(5) }, () => random.pick(sentences)).join(" ");
      const metadata = `{"device": "${random.pick(["ios", "android", "web"])}", "read": ${random.chance(0.7)}}`;
      this.add("messages", [
        random.uuid(),
        this.id,
        weddingId,
        `${random.pick(firstNames)} ${random.pick(lastNames)}`,
        body,
        this.moment(),
        metadata,
      ]);
    }
    for (let i = 0; i < size.photosPerWedding; i++) {
      const id = random.uuid();
      const path = `${this.id}/photos/${id}.jpg`;
      this.paths.push(path);
      const exif = `{"ISO": ${100 * (1 + random.below(32))}, "FNumber": ${1 + random.below(8)}.0, "GPS": [${random.below(90)}.${random.below(1e6)}, ${random.below(180)}.5]}`;
      this.add("photos", [
        id,
        this.id,
        weddingId,
        path,
        random.chance(0.5) ? random.pick(sentences) : null,
        exif,
        this.moment(),
      ]);
    }
  }

  /** @returns those who attend. */
  private addGuests(weddingId: string, guestIds: readonly string[]): string[] {
    const { random } = this;
    const attending: string[] = [];
    let household: string | null = null;
    for (const [index, id] of guestIds.entries()) {
      if (index % 3 === 0) {
        household = random.uuid();
        this.add("households", [
          household,
          this.id,
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
      this.add("guests", [
        id,
        this.id,
        weddingId,
        random.chance(0.9) ? household : null,
        first,
        last,
        email,
        phone,
        preferences,
        notes,
        points,
        this.moment(),
        this.moment(),
      ]);
      const status = random.pick(["pending", "attending", "attending", "not attending", "maybe"]);
      this.add("rsvps", [
        id,
        "ceremony",
        status,
        random.chance(0.8) ? this.moment() : null,
        textArray(["pending", status]),
      ]);
      if (random.chance(0.5)) this.add("rsvps", [id, "dinner", status, null, "{}"]);
      if (random.chance(0.25)) this.add("dietary_needs", [id, random.pick(needs), 1 + random.below(5)]);
      if (random.chance(0.08)) this.comment("guest", id);
      if (status === "attending") attending.push(id);
    }
    return attending;
  }

  private addSeating(weddingId: string, guestIds: readonly string[]): void {
    const { random } = this;
    for (let at = 0; at < guestIds.length; at += 8) {
      const tableId = random.uuid();
      this.add("seating_tables", [
        tableId,
        weddingId,
        `Table ${at / 8 + 1}`,
        10,
        `(${random.below(40)}.5,${random.below(40)})`,
      ]);
      guestIds.slice(at, at + 8).forEach((guestId, seat) => {
        if (random.chance(0.95)) this.add("seat_assignments", [tableId, seat + 1, guestId]);
      });
    }
  }

  private addMoney(weddingId: string): void {
    const { random } = this;
    const budgetId = random.uuid();
    const planned = trades.map(() => random.below(5000));
    const total = planned.reduce((sum, each) => sum + each + 1, random.below(10_000));
    this.add("budgets", [budgetId, weddingId, `${total}.500`]);
    for (const [index, trade] of trades.entries()) {
      this.add("budget_items", [
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
      const vendorId = random.pick(this.vendorIds);
      const terms = Array.from({ length: 6 }, () => random.pick(sentences)).join("\n");
      const signature = random.chance(0.7) ? `\\x${random.bytes(180).toString("hex")}` : null;
      this.add("contracts", [
        contractId,
        this.id,
        weddingId,
        vendorId,
        `${amount}.50`,
        terms,
        signature,
        null,
        random.chance(0.5) ? "infinity" : this.moment(),
      ]);
      for (let n = 0; n < 3; n++) {
        this.add("payments", [
          contractId,
          `${random.below(amount / 3 - 1)}.2500`,
          String(9_007_199_254_740_995n + BigInt(random.below(1e6))),
          random.chance(0.7) ? this.moment() : null,
        ]);
      }
      if (i === 0) this.comment("vendor", vendorId);
    }
  }

  private comment(type: string, subjectId: string): void {
    this.add("comments", [this.random.uuid(), type, subjectId, this.random.pick(sentences), this.moment()]);
  }

  private add(table: string, values: readonly Value[]): void {
    const line = `${values.map(encode).join("\t")}\n`;
    const lines = this.texts.get(table);
    if (lines === undefined) this.texts.set(table, [line]);
    else lines.push(line);
    this.rows += 1;
    this.bytes += line.length;
  }

  /** Microseconds, some of them with trailing zeros. */
  private moment(): string {
    const { random } = this;
    const fraction = random.chance(0.5) ? `.${String(random.below(1_000_000)).padStart(6, "0")}` : ".100000";
    return `${2024 + random.below(4)}-${pad(1 + random.below(12))}-${pad(1 + random.below(28))} ${pad(random.below(24))}:${pad(random.below(60))}:${pad(random.below(60))}${fraction}+00`;
  }

  private day(): string {
    return `${2025 + this.random.below(3)}-${pad(1 + this.random.below(12))}-${pad(1 + this.random.below(28))}`;
  }
}
