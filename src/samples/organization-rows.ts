// The rows of one organization: itself, its vendors and tasks, and as many weddings as are asked for.
import { SampleRows, pad } from "./sample-rows.ts";
import type { SampleSize } from "./sample-size.ts";
import type { Random } from "./random.ts";
import { firstNames, lastNames, places, sentences, trades } from "./words.ts";
import { WeddingRows } from "./wedding-rows.ts";

export class OrganizationRows {
  readonly id: string;
  readonly made: SampleRows;
  /** Of the files that rows name. */
  readonly paths: string[] = [];
  private readonly vendorIds: string[] = [];

  constructor(random: Random, index: number) {
    this.made = new SampleRows(random);
    this.id = random.uuid();
    const name = `${random.pick(places)} Weddings ${index + 1}`;
    // Duplicate keys and odd white space: `json` keeps its text, and so must a backup.
    const settings = `{"theme": "sage",  "theme":"cream", "seats" : ${random.below(500)}, "ratio": 1.10}`;
    this.made.add("organizations", [
      this.id,
      `org-${index + 1}-${this.id.slice(0, 4)}`,
      name,
      settings,
      "9007199254740993",
      this.made.moment(),
    ]);
    for (let i = 0; i < 8; i++) {
      const vendorId = random.uuid();
      this.vendorIds.push(vendorId);
      const contact = `{"person": "${random.pick(firstNames)}", "phone": "+44 20 7946 0${100 + random.below(900)}"}`;
      this.made.add("vendors", [
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
      this.made.add("tasks", [
        id,
        this.id,
        i % 3 === 0 ? null : parent,
        random.pick(sentences),
        random.chance(0.3),
        this.made.day(),
      ]);
      parent = id;
      if (i % 4 === 0) this.made.comment("task", id);
    }
  }

  addWedding(size: SampleSize, number: number): void {
    const { made, id, vendorIds, paths } = this;
    new WeddingRows(made, { organizationId: id, vendorIds, paths }).add(size, number);
  }
}
