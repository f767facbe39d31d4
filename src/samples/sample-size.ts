// How much is made: the knob of the sample generator, and the sizes that are used.
export interface SampleSize {
  readonly organizations: number;
  readonly weddingsPerOrganization: number;
  readonly guestsPerWedding: number;
  readonly messagesPerWedding: number;
  readonly photosPerWedding: number;
  readonly photoBytes: number;
  /** Multiplies the weddings of the first organization. */
  readonly bigFactor: number;
}

export const samplePresets = {
  demo: {
    organizations: 3,
    weddingsPerOrganization: 2,
    guestsPerWedding: 80,
    messagesPerWedding: 150,
    photosPerWedding: 12,
    photoBytes: 60_000,
    bigFactor: 1,
  },
  test: {
    organizations: 3,
    weddingsPerOrganization: 1,
    guestsPerWedding: 30,
    messagesPerWedding: 40,
    photosPerWedding: 3,
    photoBytes: 9_000,
    bigFactor: 1,
  },
  bench: {
    organizations: 200,
    weddingsPerOrganization: 4,
    guestsPerWedding: 210,
    messagesPerWedding: 420,
    photosPerWedding: 0,
    photoBytes: 0,
    bigFactor: 170,
  },
} as const satisfies Record<string, SampleSize>;
