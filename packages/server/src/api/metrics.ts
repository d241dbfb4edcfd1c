// Figures for Prometheus, in its text format: requests by route and status, and what the platform says of itself.
import type { EndpointName } from '@saperly/contract'

/** Upper bounds of the duration histogram, seconds. */
const BUCKETS_SEC = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** `name`, or `name{label="value"}`; those of one name have to follow each other. */
const FIGURE = /^([a-z][a-z0-9_]*)(?:\{[a-z_]+="[a-z0-9_-]{1,60}"\})?$/

/** Routes that are not of the table count under this name, so that nobody can make up labels. */
export type RouteLabel = EndpointName | 'other'

interface Series {
  count: number
  sumSec: number
  /** As many as there are buckets; not cumulative. */
  buckets: number[]
}

export class Metrics {
  /** By `route status`; both come from closed sets, so the map is bounded. */
  readonly #requests = new Map<string, Series>()

  count(route: RouteLabel, status: number, seconds: number): void {
    const name = `route="${route}",status="${status}"`
    let series = this.#requests.get(name)
    if (!series) {
      series = { count: 0, sumSec: 0, buckets: BUCKETS_SEC.map(() => 0) }
      this.#requests.set(name, series)
    }
    series.count++
    series.sumSec += seconds
    const at = BUCKETS_SEC.findIndex((bound) => seconds <= bound)
    if (at >= 0) series.buckets[at]!++
  }

  /** The whole exposition. `figures`: gauges by name without prefix, with a label behind it where there are several. */
  render(figures: Readonly<Record<string, number>>): string {
    const lines = [
      '# HELP saperly_http_request_duration_seconds Time from the request to its answer.',
      '# TYPE saperly_http_request_duration_seconds histogram',
    ]
    for (const [labels, series] of this.#requests) lines.push(...histogram(labels, series))
    const typed = new Set<string>()
    for (const [name, value] of Object.entries(figures)) {
      const [, family] = FIGURE.exec(name) ?? []
      if (family === undefined || !Number.isFinite(value)) continue
      if (!typed.has(family)) lines.push(`# TYPE saperly_${family} gauge`)
      typed.add(family)
      lines.push(`saperly_${name} ${value}`)
    }
    return `${lines.join('\n')}\n`
  }
}

function histogram(labels: string, series: Series): string[] {
  const name = 'saperly_http_request_duration_seconds'
  let below = 0
  const buckets = BUCKETS_SEC.map((bound, i) => {
    below += series.buckets[i]!
    return `${name}_bucket{${labels},le="${bound}"} ${below}`
  })
  return [
    ...buckets,
    `${name}_bucket{${labels},le="+Inf"} ${series.count}`,
    `${name}_sum{${labels}} ${series.sumSec}`,
    `${name}_count{${labels}} ${series.count}`,
  ]
}
