// Walks through the looks by itself.

// So long a walk takes, and so long each look stays at least, in milliseconds.
const WALK = 10000;
const STAY = 50;

/** Moves a tab from look to look; at the last one it ends. */
export class Player {
  constructor(tab) {
    this.tab = tab;
    this.timer = null;
  }

  get runs() {
    return this.timer !== null;
  }

  /** Starts, from the first look if the last one is shown, or stops. */
  turn() {
    if (this.runs) {
      clearInterval(this.timer);
      this.timer = null;
      return;
    }
    const {tab} = this;
    const steps = tab.steps();
    if (tab.stepPlace(steps) >= steps.length - 1) tab.toStep(steps[0]);
    const tick = () => {
      const next = tab.steps().find((step) => step > tab.step);
      if (next === undefined) tab.play();
      else tab.toStep(next);
    };
    this.timer = setInterval(tick, Math.max(STAY, WALK / Math.max(1, steps.length)));
  }
}
