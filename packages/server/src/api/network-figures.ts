// What the network says of itself, as figures for Prometheus: each media worker apart, so that a busy one is seen.
import type { PlaneLoad } from '@saperly/network'

/** Figures by name without prefix; `worker` numbers the media workers of this process. */
export function networkFigures({ workers, overloaded }: PlaneLoad): Record<string, number> {
  const figures: Record<string, number> = { media_overloaded: overloaded ? 1 : 0 }
  workers.forEach((worker, index) => {
    const set = (name: string, value: number): void => {
      figures[`media_${name}{worker="${index}"}`] = value
    }
    set('legs', worker.legs)
    set('loop_use_ratio', worker.loopUse)
    set('pacing_slip_p50_seconds', worker.slipP50Ms / 1000)
    set('pacing_slip_p99_seconds', worker.slipP99Ms / 1000)
    set('pacing_late_ratio', worker.lateShare)
    set('packets_sent_total', worker.packetsSent)
    set('packets_received_total', worker.packetsReceived)
    set('packets_lost_total', worker.packetsLost)
    set('packets_late_total', worker.packetsLate)
    set('frames_concealed_total', worker.framesConcealed)
  })
  return figures
}
