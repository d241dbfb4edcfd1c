// Kaiser's window, which every filter of the rate conversion is cut with.

/** Side lobes below -80 dB. */
const BETA = 8

/** The window at `x`, from -1 to 1: one in the middle, next to nothing at the ends. */
export function kaiserWindow(x: number): number {
  return bessel0(BETA * Math.sqrt(Math.max(0, 1 - x ** 2))) / bessel0(BETA)
}

/** Modified Bessel function of the first kind, order zero (power series). */
function bessel0(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}
