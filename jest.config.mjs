// Two projects: `fast` needs no server and is part of `npm run check`; `real` runs on real Postgres, Temporal and S3.
const common = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  // @swc/jest strips types; Node's own loader is not used by jest.
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "es6" } },
    ],
  },
};

export default {
  projects: [
    { ...common, displayName: "fast", testMatch: ["<rootDir>/test/{unit,golden}/**/*.test.ts"] },
    {
      ...common,
      displayName: "real",
      testMatch: ["<rootDir>/test/{contract,workflow,replay,integration,crash}/**/*.test.ts"],
      globalSetup: "<rootDir>/test/support/global-setup.ts",
      globalTeardown: "<rootDir>/test/support/global-teardown.ts",
    },
  ],
  testTimeout: 180_000,
};
