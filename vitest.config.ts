import { defineConfig } from 'vitest/config'

// Sources run unbuilt through the `source` condition; only worker threads load the built output,
// because Node 20 cannot strip types (hence `npm test` builds first).
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
