import { defineConfig } from 'vitest/config'

// Sources run unbuilt through the `source` condition; only worker threads load the built output,
// because Node 20 cannot strip types (hence `npm test` builds first).
const resolution = {
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
}

const processes = [
  'test/{bad-day,cluster,crash}/**/*.test.ts',
  'test/{leases,recharge,storm,storm-keys}.test.ts',
]

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    projects: [
      {
        ...resolution,
        extends: true,
        test: {
          name: 'units',
          include: ['packages/*/src/**/*.test.ts', 'test/{tidy,conformance,sim}/**/*.test.ts'],
          exclude: ['packages/network/src/{media,sandbox,speech}/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...resolution,
        extends: true,
        test: {
          // Audio in real time: one file at a time, so that a starved machine is no cause of a lost word.
          name: 'calls',
          include: [
            'packages/network/src/{media,sandbox,speech}/**/*.test.ts',
            'test/**/*.test.ts',
          ],
          exclude: ['test/{tidy,conformance,sim}/**', ...processes],
          // On a shared machine even that can happen, so a call may be tried once more; the report says so.
          retry: 1,
          fileParallelism: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...resolution,
        extends: true,
        test: {
          // Whole processes that are killed, paused and starved: they mostly wait, so two files go side by side.
          name: 'processes',
          include: processes,
          retry: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
