// A database of sample weddings, small enough for a test.
import { createSampleSchema, generateSampleWeddings } from "../../src/samples/generate.ts";
import { samplePresets, type SampleSize } from "../../src/samples/sample-size.ts";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

interface WeddingOptions {
  /** The same seed gives the same weddings. */
  readonly seed: number;
  /** Photos go there; none are made without it. */
  readonly mediaDir?: string;
  readonly size?: Partial<SampleSize> | undefined;
  /** An empty one; else one of the test's own is made. */
  readonly database?: TestDatabase | undefined;
}

export interface Weddings {
  readonly database: TestDatabase;
  readonly organizationIds: readonly string[];
}

export async function createWeddings({ seed, mediaDir, size, ...given }: WeddingOptions): Promise<Weddings> {
  const database = given.database ?? (await createTestDatabase());
  await createSampleSchema(database.url);
  const { organizationIds } = await generateSampleWeddings({
    ...samplePresets.test,
    ...size,
    databaseUrl: database.url,
    mediaDir: mediaDir ?? null,
    seed,
  });
  return { database, organizationIds };
}
