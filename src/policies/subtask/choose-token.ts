/** Largest of the logits. The first of equals, as torch answers on a CPU. */
export function greedyToken(logits: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) {
    if ((logits[id] as number) > (logits[best] as number)) best = id;
  }
  return best;
}

/**
 * Draws a token from softmax(logits / temperature).
 * @param temperature 0 is greedy; 1 draws from the model's own distribution
 * @param random uniform in [0, 1)
 */
export function sampleToken(logits: ArrayLike<number>, temperature: number, random: () => number): number {
  const best = greedyToken(logits);
  if (temperature === 0) return best;
  const peak = logits[best] as number;
  const weightOf = (id: number) => Math.exp(((logits[id] as number) - peak) / temperature);
  let total = 0;
  for (let id = 0; id < logits.length; id++) total += weightOf(id);
  let rest = random() * total;
  for (let id = 0; id < logits.length; id++) {
    rest -= weightOf(id);
    if (rest < 0) return id;
  }
  return best;
}
