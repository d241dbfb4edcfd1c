// The trunks on /metrics: one family after the other, and nothing about registration where there is none.
import { expect, test } from 'vitest'
import { Metrics } from './api/metrics.ts'
import { trunkFigures } from './trunk-figures.ts'

test('each trunk has its figures, and each family its type once', () => {
  const text = new Metrics().render({
    live_calls: 1,
    ...trunkFigures([
      { name: 'main', up: true, registered: null, calls: 3, waiting: 1 },
      { name: 'pbx-2', up: false, registered: false, calls: 0, waiting: 0 },
    ]),
    'trunk_up{trunk="a\\"} 1"}': 7,
  })
  expect(text.split('\n').slice(2)).toEqual([
    '# TYPE saperly_live_calls gauge',
    'saperly_live_calls 1',
    '# TYPE saperly_trunk_up gauge',
    'saperly_trunk_up{trunk="main"} 1',
    'saperly_trunk_up{trunk="pbx-2"} 0',
    '# TYPE saperly_trunk_registered gauge',
    'saperly_trunk_registered{trunk="pbx-2"} 0',
    '# TYPE saperly_trunk_calls gauge',
    'saperly_trunk_calls{trunk="main"} 3',
    'saperly_trunk_calls{trunk="pbx-2"} 0',
    '# TYPE saperly_trunk_calls_waiting gauge',
    'saperly_trunk_calls_waiting{trunk="main"} 1',
    'saperly_trunk_calls_waiting{trunk="pbx-2"} 0',
    '',
  ])
})
